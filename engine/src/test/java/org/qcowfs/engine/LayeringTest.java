package org.qcowfs.engine;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** The arrows between the engine's packages. */
final class LayeringTest {
  private static final JavaClasses ENGINE =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("org.qcowfs.engine");

  @Test
  void somethingIsJudged() {
    assertThat(ENGINE.contain(Image.class)).isTrue();
    assertThat(ENGINE.size()).isGreaterThan(40);
  }

  @Test
  void theEngineKnowsNoFuseNoTerminalAndNoInterfaceGenerator() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.qcowfs.fuse..", "org.qcowfs.cli..", "picocli..", "jnr..", "ru.serce..")
        .check(ENGINE);
  }

  @Test
  void onlyTheHostPackageMakesSystemCalls() {
    classes()
        .that()
        .haveFullyQualifiedName("org.qcowfs.engine.host.posix.PosixCalls")
        .should()
        .onlyHaveDependentClassesThat()
        .resideInAnyPackage("org.qcowfs.engine.host..")
        .check(ENGINE);
    // Copies between buffers are memory, not calls.
    noClasses()
        .that()
        .resideOutsideOfPackage("org.qcowfs.engine.host..")
        .should()
        .dependOnClassesThat(
            com.tngtech.archunit.base.DescribedPredicate.describe(
                "are jffi's, but for its memory access",
                type ->
                    type.getPackageName().startsWith("com.kenai.jffi")
                        && !type.getSimpleName().equals("MemoryIO")))
        .check(ENGINE);
  }

  @Test
  void theFormatIsPure() {
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.engine.qcow2.format..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.qcowfs.engine.host..",
            "org.qcowfs.engine.layer..",
            "org.qcowfs.engine.chain..",
            "org.qcowfs.engine.qcow2.mapping..",
            "org.qcowfs.engine.qcow2.cache..",
            "java.nio.file..",
            "java.nio.channels..",
            "java.util.concurrent..")
        .check(ENGINE);
  }

  @Test
  void theLayerInterfaceKnowsNoFormat() {
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.engine.layer..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.qcowfs.engine.qcow2..", "org.qcowfs.engine.raw..", "org.qcowfs.engine.chain..")
        .check(ENGINE);
  }

  @Test
  void formatsKnowNeitherEachOtherNorTheChain() {
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.engine.qcow2..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.qcowfs.engine.raw..", "org.qcowfs.engine.chain..")
        .check(ENGINE);
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.engine.raw..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.qcowfs.engine.qcow2..", "org.qcowfs.engine.chain..")
        .check(ENGINE);
  }

  @Test
  void errorsModelsAndTheHostStandOnNothingAboveThem() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "org.qcowfs.engine.error..", "org.qcowfs.engine.model..", "org.qcowfs.engine.host..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.qcowfs.engine.layer..",
            "org.qcowfs.engine.raw..",
            "org.qcowfs.engine.qcow2..",
            "org.qcowfs.engine.chain..",
            "org.qcowfs.engine.json..")
        .check(ENGINE);
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.engine.error..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.qcowfs.engine.host..", "org.qcowfs.engine.model..")
        .check(ENGINE);
  }

  @Test
  void nothingWritesToTheTerminal() {
    noClasses()
        .should()
        .accessField(System.class, "out")
        .orShould()
        .accessField(System.class, "err")
        .check(ENGINE);
  }
}
