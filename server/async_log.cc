#include "server/async_log.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "google/protobuf/stubs/logging.h"

namespace server {
namespace {

// How long the process waits for its reader where it must.
constexpr int64_t kWaitNs = 1'000'000'000;

// One complaint of protobuf in so many is logged: clients cause them.
constexpr int kProtobufEvery = 1000;

void WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // There is nobody to tell.
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

// Where glog thinks that it writes a file. It hands each line to the logger of
// its severity and of all below.
class LineLogger : public google::base::Logger {
 public:
  // Null: takes nothing.
  explicit LineLogger(AsyncLog* log) : log_(log) {}

  void Write(bool, time_t, const char* message, size_t length) override {
    if (log_ == nullptr || length == 0) return;
    log_->Write(absl::string_view(message, length));
    // glog's own last words would go to stderr, where they may wait for ever.
    if (message[0] == 'F' && !log_->Flush(kWaitNs)) std::abort();
  }
  void Flush() override {
    if (log_ != nullptr) log_->Flush(kWaitNs);
  }
  google::uint32 LogSize() override { return 0; }

 private:
  AsyncLog* const log_;
};

void FromProtobuf(google::protobuf::LogLevel level, const char* file, int line,
                  const std::string& message) {
  // The library ends the process after this one.
  if (level == google::protobuf::LOGLEVEL_FATAL) {
    LOG(ERROR) << "protobuf: " << file << ":" << line << ": " << message;
  } else if (level >= google::protobuf::LOGLEVEL_WARNING) {
    LOG_EVERY_N(WARNING, kProtobufEvery) << "protobuf: " << message;
  }
}

}  // namespace

AsyncLog::AsyncLog(int fd, size_t bytes_max)
    : fd_(fd), bytes_max_(bytes_max), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "log");
}

AsyncLog::~AsyncLog() {
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

void AsyncLog::Write(absl::string_view line) {
  base::MutexLock lock(mu_);
  if (kept_.size() + line.size() > bytes_max_) {
    ++dropped_;
    return;
  }
  kept_.append(line.data(), line.size());
  changed_.SignalAll();
}

bool AsyncLog::Flush(int64_t wait_ns) {
  base::Clock& clock = base::SystemClock();
  const int64_t end_ns = clock.MonotonicNanos() + wait_ns;
  base::MutexLock lock(mu_);
  while (!idle()) {
    const int64_t left_ns = end_ns - clock.MonotonicNanos();
    if (left_ns <= 0) return false;
    changed_.WaitFor(mu_, left_ns);
  }
  return true;
}

uint64_t AsyncLog::dropped() const {
  base::MutexLock lock(mu_);
  return dropped_;
}

std::string AsyncLog::Take() {
  std::string taken = std::exchange(kept_, std::string());
  if (dropped_ > told_) {
    absl::StrAppend(&taken, dropped_ - told_,
                    " lines of the log were dropped: nobody read them\n");
    told_ = dropped_;
  }
  return taken;
}

void AsyncLog::Run() {
  while (true) {
    std::string taken;
    {
      base::MutexLock lock(mu_);
      writing_ = false;
      changed_.SignalAll();
      while (kept_.empty() && !stopping_) changed_.Wait(mu_);
      if (kept_.empty()) return;
      taken = Take();
      writing_ = true;
    }
    WriteAll(fd_, taken);
  }
}

void LogTo(AsyncLog& log) {
  FLAGS_logtostderr = false;
  FLAGS_alsologtostderr = false;
  FLAGS_stderrthreshold = google::NUM_SEVERITIES;
  // Never destroyed, as the log: threads may log until the process is gone.
  google::base::SetLogger(google::GLOG_INFO, new LineLogger(&log));
  for (int severity = google::GLOG_WARNING; severity < google::NUM_SEVERITIES;
       ++severity) {
    google::base::SetLogger(severity, new LineLogger(nullptr));
  }
  google::protobuf::SetLogHandler(FromProtobuf);
}

}  // namespace server
