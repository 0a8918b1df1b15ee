package org.qcowfs.cli.option;

import java.util.List;

/**
 * What a command takes: the parser and the help both go by it.
 *
 * @param name the command's name
 * @param operands its operands as the help shows them
 * @param purpose one sentence
 * @param options its options, {@code --help} excepted
 * @param notes what else the help says, one paragraph each
 * @param example a command line that works
 */
public record Synopsis(
    String name,
    String operands,
    String purpose,
    List<Option> options,
    List<String> notes,
    String example) {}
