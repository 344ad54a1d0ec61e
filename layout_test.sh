#!/bin/bash
# layout_test checks the rules of docs/architecture.md that Bazel's visibility
# cannot: which folder may include which library or header.
set -u
root=$(dirname "$(realpath "${TEST_SRCDIR:-.}/${TEST_WORKSPACE:-}/WORKSPACE")")
cd "$root" || exit 1
failures=0

sources() { git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' | grep -Ev "$1"; }

# forbid PATTERN ALLOWED WHY: no file outside ALLOWED (a path regex) has a line
# that matches PATTERN.
forbid() {
  local found
  found=$(sources "$2" | xargs -r grep -nE "$1" /dev/null)
  [ -z "$found" ] && return
  echo "$3:"
  echo "$found"
  failures=$((failures + 1))
}

forbid '#include [<"]rocksdb/' '^(storage|bench)/' \
  'only storage/ speaks to RocksDB'
forbid '#include [<"](grpcpp/|grpc/[a-z_]+\.h|grpc/impl|.*\.grpc\.pb\.h)' '^(server|client|cli|tests|bench)/' \
  'gRPC stays at the edge'
forbid '#include <(thread|mutex|condition_variable|shared_mutex|future)>' \
  '^(base/mutex\.h|base/thread|server/|storage/|client/|cli/|tests/|bench/)' \
  'threads belong to the edge; locks are base::Mutex'
forbid '#include <(mutex|condition_variable|shared_mutex)>' '^base/mutex\.h$' \
  'locks are base::Mutex, which clang and TSan understand'
forbid '#include <chrono>' '^(base/|server/|client/|cli/|tests/|bench/)' \
  'time comes from base::Clock'
forbid '#include <random>' '^$' 'random numbers come from base::Random'
forbid 'absl/(synchronization|random)/' '^$' \
  'absl::Mutex and absl/random appear nowhere'
forbid '#include "glog/' '^(base/check\.h|partition/|storage/|server/|client/|cli/|tests/|bench/|sim/)' \
  'the pure folders do not log'
forbid '\b(LOG|VLOG|DLOG)\((INFO|WARNING|ERROR|[0-9])' \
  '^(partition|storage|server|client|cli|tests|bench|sim)/' \
  'the pure folders do not log'
forbid '#include "(partition|server|storage|client|cli|sim)/' \
  '^(partition|server|storage|client|cli|examples|sim|tests|bench)/' \
  'base, raft, session and primitive know nothing above them'
forbid '#include "(raft|primitive)/' \
  '^(raft|primitive|storage|partition|server|sim|tests|bench)/' \
  'session, base, client and cli know neither raft nor primitives'
forbid '#include "(session|partition|server)/' \
  '^(session|primitive|partition|server|sim|tests|bench)/' \
  'raft, storage, client and cli do not know sessions or partitions'
# kill_test lets its load run for a random while: that is what it times.
forbid '(sleep_for|sleep_until|usleep\(|nanosleep\()' '^tests/kill_test\.cc$' \
  'nothing sleeps: wait for a condition or for virtual time'

exit $((failures > 0))
