# shellcheck shell=sh
# Sourced by the commands beside it: compiles what they need and runs it. Expects home.

# run_proof MODULE CLASS ARGUMENTS...: runs a main class among MODULE's tests, with a heap of $heap.
run_proof() {
  module=$1
  class=$2
  shift 2
  path=$home/$module/target/proof.classpath
  (
    cd "$home" || exit 1
    mvn -q -B -pl "$module" -am test-compile dependency:build-classpath \
      -Dmdep.includeScope=test -Dmdep.outputFile=target/proof.classpath >&2
  ) || exit 1
  exec java -ea "-Xmx${heap:-1g}" -cp "$home/$module/target/test-classes:$home/$module/target/classes:$(cat "$path")" \
    "$class" "$@"
}
