#include "cli/run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/random.h"
#include "cli/exit_code.h"

namespace cli {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// Numbers that no client reaches by counting, and that JSON readers take.
uint64_t DrawSequence() {
  return (uint64_t{1} << 52) + base::SecureSeed() % (uint64_t{1} << 51);
}

}  // namespace

Run::Run(const Environment& environment, const Arguments& arguments,
         size_t first_operand)
    : environment_(environment),
      arguments_(arguments),
      first_operand_(first_operand) {}

Run::~Run() {
  // Their threads report to the members below them.
  session_ = nullptr;
  connection_ = nullptr;
}

absl::Status Run::Finish(absl::Status result) {
  if (session_ == nullptr || !owns_session_) return result;
  // No use in asking a server that does not answer: the session expires.
  if (ExitCodeOf(result) == kUnavailable) return result;
  const absl::Status closed = session_->Close();
  if (!closed.ok() && !json()) {
    err() << "multiraftctl: session " << session_->id()
          << " could not be closed and will expire: " << closed.message()
          << "\n";
  }
  return result;
}

const std::string& Run::operand(size_t i) const {
  CHECK(has_operand(i)) << i;
  return arguments_.words()[first_operand_ + i];
}

bool Run::has_operand(size_t i) const {
  return first_operand_ + i < arguments_.words().size();
}

void Run::Print(const std::string& text, const Json& object) {
  out() << (json() ? Line(object) : text);
}

absl::StatusOr<client::Connection*> Run::connection() {
  if (connection_ != nullptr) return connection_.get();
  ASSIGN_OR_RETURN(const absl::Duration timeout,
                   arguments_.Duration("timeout", absl::Seconds(10)));
  const std::string server =
      arguments_.Text("server", environment_.default_server);
  if (server.empty()) return UsageError("--server wants HOST:PORT");
  connection_ = std::make_unique<client::Connection>(client::ConnectionOptions{
      .server = server,
      .call_timeout = timeout,
      .on_retry = [this](const absl::Status& failure,
                         absl::Duration) { NoteRetry(failure); },
      .timer = environment_.timer});
  return connection_.get();
}

absl::StatusOr<uint32_t> Run::partition() const {
  ASSIGN_OR_RETURN(const uint64_t partition, arguments_.Number("partition", 1));
  if (partition == 0 || partition > UINT32_MAX) {
    return UsageError("--partition: partitions are numbered from 1");
  }
  return static_cast<uint32_t>(partition);
}

absl::StatusOr<client::Session*> Run::session() {
  if (session_ != nullptr) return session_.get();
  ASSIGN_OR_RETURN(const uint64_t id, arguments_.Number("session", 0));
  if (arguments_.Has("session")) {
    if (id == 0) return UsageError("--session: 0 is no session");
    return AttachSession(id, /*keep_alive=*/true);
  }
  if (arguments_.Has("sequence")) {
    return UsageError("--sequence makes sense with --session only");
  }
  return OpenSession();
}

absl::StatusOr<client::Session*> Run::OpenSession() {
  ASSIGN_OR_RETURN(const absl::Duration timeout,
                   arguments_.Duration("session-timeout", absl::Seconds(60)));
  ASSIGN_OR_RETURN(client::Connection * connection, this->connection());
  ASSIGN_OR_RETURN(const uint32_t partition, this->partition());
  ASSIGN_OR_RETURN(
      session_, client::Session::Open(
                    *connection, {.partition = partition,
                                  .timeout = timeout,
                                  .on_lost = [this](const absl::Status& why) {
                                    base::MutexLock lock(mu_);
                                    lost_ = why;
                                    changed_.SignalAll();
                                  }}));
  owns_session_ = true;
  return session_.get();
}

absl::StatusOr<client::Session*> Run::AttachSession(uint64_t id,
                                                    bool keep_alive) {
  ASSIGN_OR_RETURN(client::Connection * connection, this->connection());
  ASSIGN_OR_RETURN(const uint32_t partition, this->partition());
  ASSIGN_OR_RETURN(const uint64_t first_sequence, FirstSequence());
  ASSIGN_OR_RETURN(const absl::Duration timeout,
                   arguments_.Duration("session-timeout", absl::Seconds(60)));
  session_ = client::Session::Attach(*connection, id,
                                     {.partition = partition,
                                      .timeout = timeout,
                                      .keep_alive = keep_alive,
                                      .first_sequence = first_sequence});
  return session_.get();
}

absl::StatusOr<uint64_t> Run::FirstSequence() const {
  if (!arguments_.Has("sequence")) return DrawSequence();
  ASSIGN_OR_RETURN(const uint64_t first, arguments_.Number("sequence", 0));
  if (first == 0) return UsageError("--sequence: numbers count from 1");
  return first;
}

absl::Status Run::AwaitInterrupt() {
  const Interrupt::Handler handler(environment_.interrupt, [this] {
    base::MutexLock lock(mu_);
    interrupted_ = true;
    changed_.SignalAll();
  });
  // It may have come just before.
  if (environment_.interrupt.triggered()) return absl::OkStatus();
  base::MutexLock lock(mu_);
  while (!interrupted_ && lost_.ok()) changed_.Wait(mu_);
  return lost_;
}

void Run::NoteRetry(const absl::Status& failure) {
  if (json()) return;
  base::MutexLock lock(mu_);
  const int64_t now_ns = connection_->timer().NowNanos();
  if (failing_since_ns_ == 0 || now_ns - failed_last_ns_ > 5 * kSecondNs) {
    failing_since_ns_ = now_ns;
    noted_ = false;
  }
  failed_last_ns_ = now_ns;
  // What passes within a second is not worth a word.
  if (noted_ || now_ns - failing_since_ns_ < kSecondNs) return;
  noted_ = true;
  err() << "multiraftctl: " << OneLine(failure.message())
        << "; trying again ...\n";
  err().flush();
}

}  // namespace cli
