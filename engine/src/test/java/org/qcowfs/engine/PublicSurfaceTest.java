package org.qcowfs.engine;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noFields;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.host.PosixHostFile;

/** What a program that uses the engine may rely on. */
final class PublicSurfaceTest {
  /** Every other package is internal and says so. */
  private static final Set<String> PUBLIC =
      Set.of(
          "org.qcowfs.engine",
          "org.qcowfs.engine.base",
          "org.qcowfs.engine.change",
          "org.qcowfs.engine.convert",
          "org.qcowfs.engine.error",
          "org.qcowfs.engine.host",
          "org.qcowfs.engine.json",
          "org.qcowfs.engine.layer",
          "org.qcowfs.engine.model",
          "org.qcowfs.engine.qcow2.check");

  private static final JavaClasses ENGINE =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("org.qcowfs.engine");

  @Test
  void thePackagesThatAreNotPublicSaySo() throws IOException {
    Path sources = Path.of("src/main/java");
    Set<String> silent = new TreeSet<>();
    try (Stream<Path> files = Files.walk(sources)) {
      for (Path file : files.filter(f -> f.endsWith("package-info.java")).toList()) {
        String firstLine = Files.readAllLines(file).get(1);
        if (!firstLine.startsWith(" * Internal. ")) {
          silent.add(sources.relativize(file.getParent()).toString().replace('/', '.'));
        }
      }
    }
    assertThat(silent).isEqualTo(new TreeSet<>(PUBLIC));
  }

  @Test
  void whatPublicPackagesOfferIsMadeOfPublicTypes() {
    Set<String> internal = new TreeSet<>();
    for (JavaClass type : ENGINE) {
      if (!isPublic(type)
          || !PUBLIC.contains(type.getPackageName())
          || type.isEquivalentTo(PosixHostFile.class)) {
        continue;
      }
      for (JavaCodeUnit unit : type.getCodeUnits()) {
        if (unit.getModifiers().contains(JavaModifier.PUBLIC)) {
          Stream.concat(unit.getAllInvolvedRawTypes().stream(), unit.getExceptionTypes().stream())
              .map(JavaClass::getBaseComponentType)
              .filter(used -> used.getPackageName().startsWith("org.qcowfs.engine"))
              .filter(used -> !PUBLIC.contains(used.getPackageName()) || !isPublic(used))
              .forEach(used -> internal.add(unit.getFullName() + ": " + used.getName()));
        }
      }
    }
    assertThat(internal).isEmpty();
  }

  private static boolean isPublic(JavaClass type) {
    return type.getModifiers().contains(JavaModifier.PUBLIC);
  }

  @Test
  void nothingEndsTheProgram() {
    noClasses()
        .should()
        .callMethod(System.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "halt", int.class)
        .orShould()
        .callMethod(Runtime.class, "addShutdownHook", Thread.class)
        .check(ENGINE);
  }

  @Test
  void staticFieldsAreFinal() {
    fields().that().areStatic().should().beFinal().check(ENGINE);
    // What is there to be changed; memory of a thread's own (ThreadLocal) is not shared.
    noFields()
        .that()
        .areStatic()
        .should()
        .haveRawType(
            DescribedPredicate.describe(
                "shared state",
                type ->
                    type.getPackageName().startsWith("java.util.concurrent")
                        || type.isAssignableTo(Thread.class)))
        .check(ENGINE);
  }

  @Test
  void staticCollectionsCannotBeChanged() throws ReflectiveOperationException {
    int judged = 0;
    for (JavaClass type : ENGINE) {
      for (JavaField field : type.getFields()) {
        if (field.getModifiers().contains(JavaModifier.STATIC)
            && (field.getRawType().isAssignableTo(Collection.class)
                || field.getRawType().isAssignableTo(Map.class))) {
          Field reflected = field.reflect();
          reflected.setAccessible(true);
          Object value = reflected.get(null);
          assertThat(value.getClass().getName())
              .as(field.getFullName())
              .containsPattern("ImmutableCollections|Collections\\$Unmodifiable");
          judged++;
        }
      }
    }
    assertThat(judged).isPositive();
  }
}
