// Debian's RocksDB is not instrumented, so ThreadSanitizer does not see the
// atomics by which its threads hand files and blocks to each other, and reports
// their release as a race. Only reports with a frame in that library are
// dropped.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:librocksdb.so\n";
}
