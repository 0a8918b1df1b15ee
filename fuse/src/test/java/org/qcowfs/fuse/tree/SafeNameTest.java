package org.qcowfs.fuse.tree;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafeNameTest {
  @ParameterizedTest
  @CsvSource({
    "before upgrade,before upgrade",
    "a/b,a_b",
    "../../etc/passwd,.._.._etc_passwd",
    ".,_",
    "..,__",
    "'',_",
    "...,...",
    "-rf,-rf",
    "ünï,ünï"
  })
  void keepsWhatAFileNameMayHold(String text, String name) {
    assertThat(SafeName.of(text)).isEqualTo(name);
  }

  @Test
  void replacesControlCharactersOfEveryKind() {
    String hostile = "a\0b\nc\u001b[31md\u007fe\u0085f\u202eg\u2028h\ud800i";
    assertThat(SafeName.of(hostile)).isEqualTo("a_b_c_[31md_e_f_g_h_i");
  }

  @Test
  void cutsAtWholeCharactersWithin255Bytes() {
    String name = SafeName.of("😀".repeat(100));
    assertThat(name.getBytes(StandardCharsets.UTF_8)).hasSize(252);
    assertThat(name).isEqualTo("😀".repeat(63));
    assertThat(SafeName.of("x".repeat(300))).hasSize(255);
  }

  @Test
  void appendsTheIdWhereANameIsTaken() {
    assertThat(SafeName.unique("a", "7", Set.of())).isEqualTo("a");
    assertThat(SafeName.unique("a", "7", Set.of("a"))).isEqualTo("a.7");
    assertThat(SafeName.unique("a", "7", Set.of("a", "a.7"))).isEqualTo("a.7.2");
    assertThat(SafeName.unique("a", "../7", Set.of("a"))).isEqualTo("a..._7");
  }

  @Test
  void keepsTheSuffixOfALongName() {
    String text = "x".repeat(300);
    String first = SafeName.of(text);
    String second = SafeName.unique(text, "12", Set.of(first));
    assertThat(second).hasSize(255).endsWith("x.12");
    String third = SafeName.unique(text, "i".repeat(300), Set.of(first, second));
    assertThat(third.getBytes(StandardCharsets.UTF_8)).hasSize(255);
  }

  @Test
  void staysDifferentWhenLongIdsAreCut() {
    String id = "i".repeat(300);
    String first = SafeName.unique("a", id, Set.of("a"));
    String second = SafeName.unique("a", id, Set.of("a", first));
    assertThat(second).isNotEqualTo(first).isNotEqualTo("a");
  }

  @Test
  @Timeout(20)
  void namesManyThatAreAlikeInNoTime() {
    Set<String> taken = new HashSet<>();
    for (int i = 0; i < 65_536; i++) {
      assertThat(taken.add(SafeName.unique("a", "1", taken))).isTrue();
    }
  }
}
