#include "client/connection.h"

#include <limits>
#include <string>
#include <utility>

namespace client {
namespace {

// All attempts go to one server.
class OneServer : public Route {
 public:
  explicit OneServer(const std::string& address)
      : server_(std::make_shared<const Server>(address)) {}

  std::shared_ptr<const Server> Pick() override { return server_; }
  void Failed(const Server&, const AttemptFailure&) override {}

 private:
  const std::shared_ptr<const Server> server_;  // Constant.
};

}  // namespace

Connection::Connection(ConnectionOptions options)
    : Connection(options, std::make_shared<OneServer>(options.server)) {}

Connection::Connection(ConnectionOptions options, std::shared_ptr<Route> route)
    : options_(std::move(options)),
      timer_(options_.timer != nullptr ? options_.timer : &SystemTimer()),
      route_(std::move(route)),
      random_(options_.seed != 0 ? options_.seed : base::SecureSeed()) {}

Connection::~Connection() = default;

int64_t Connection::CallDeadlineNanos() {
  const int64_t now_ns = timer_->NowNanos();
  const int64_t timeout_ns = absl::ToInt64Nanoseconds(options_.call_timeout);
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  return timeout_ns > kNever - now_ns ? kNever : now_ns + timeout_ns;
}

Backoff Connection::NewBackoff() {
  base::MutexLock lock(mu_);
  return Backoff(random_.Next());
}

}  // namespace client
