package org.qcowfs.it.layering;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** The arrows between the modules: {@code cli -> fuse -> engine}. */
final class ModuleLayeringTest {
  private static final JavaClasses ALL =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("org.qcowfs.engine", "org.qcowfs.fuse", "org.qcowfs.cli");

  @Test
  void everyModuleIsJudged() {
    for (String module : new String[] {"engine", "fuse", "cli"}) {
      assertThat(
              ALL.stream().filter(type -> type.getPackageName().startsWith("org.qcowfs." + module)))
          .as(module)
          .hasSizeGreaterThan(10);
    }
  }

  @Test
  void theEngineStandsAlone() {
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.engine..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.qcowfs.fuse..", "org.qcowfs.cli..", "picocli..", "jnr..", "ru.serce..")
        .check(ALL);
  }

  @Test
  void theDriverKnowsNoCommandLine() {
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.fuse..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.qcowfs.cli..", "picocli..")
        .check(ALL);
  }

  @Test
  void theDriverKnowsNoFormat() {
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.fuse..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.qcowfs.engine.qcow2..", "org.qcowfs.engine.raw..", "org.qcowfs.engine.chain..")
        .check(ALL);
  }

  @Test
  void theCommandLineMakesNoNativeCalls() {
    noClasses()
        .that()
        .resideInAPackage("org.qcowfs.cli..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("jnr..", "ru.serce..", "com.kenai.jffi..")
        .check(ALL);
  }

  @Test
  void theCommandLinesPackagesHaveNoCircle() {
    JavaClasses commandLine = ALL.that(JavaClass.Predicates.resideInAPackage("org.qcowfs.cli.."));
    slices().matching("org.qcowfs.(**)").should().beFreeOfCycles().check(commandLine);
  }
}
