// StreamReactor is the server's end of one stream of the fake server: a queue
// that is written out one by one.
//
// Thread-safe. Deletes itself when gRPC is done with it, after `on_done`.

#ifndef CLIENT_TESTING_STREAM_REACTOR_H_
#define CLIENT_TESTING_STREAM_REACTOR_H_

#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "grpcpp/support/server_callback.h"

namespace client {

template <class Response>
class StreamReactor : public grpc::ServerWriteReactor<Response> {
 public:
  explicit StreamReactor(std::function<void()> on_done)
      : on_done_(std::move(on_done)) {}

  void Send(Response response) {
    bool start = false;
    {
      base::MutexLock lock(mu_);
      if (end_.has_value()) return;
      queue_.push_back(std::move(response));
      start = queue_.size() == 1;
    }
    if (start) this->StartWrite(&queue_.front());
  }

  // After what was sent before.
  void End(grpc::Status status) {
    {
      base::MutexLock lock(mu_);
      if (end_.has_value()) return;
      end_ = std::move(status);
      if (!queue_.empty()) return;
      finished_ = true;
    }
    this->Finish(*end_);
  }

  void OnWriteDone(bool ok) override {
    bool finish = false;
    const Response* next = nullptr;
    {
      base::MutexLock lock(mu_);
      queue_.pop_front();
      if (!ok) queue_.clear();
      if (!queue_.empty()) {
        next = &queue_.front();
      } else if (end_.has_value() && !finished_) {
        finish = finished_ = true;
      }
    }
    if (next != nullptr) this->StartWrite(next);
    if (finish) this->Finish(*end_);
  }

  void OnCancel() override { End(grpc::Status::CANCELLED); }

  void OnDone() override {
    on_done_();
    delete this;
  }

 private:
  const std::function<void()> on_done_;  // Constant after construction.

  base::Mutex mu_;
  std::deque<Response> queue_;  // The front is being written. Under mu_, but
                                // the front stays where it is while it is.
  std::optional<grpc::Status> end_;  // Set once, under mu_.
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace client

#endif  // CLIENT_TESTING_STREAM_REACTOR_H_
