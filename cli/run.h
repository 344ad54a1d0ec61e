// Run is one command while it runs: its operands and flags, the connection and
// session that it asks for, and where its output goes.
//
// Used by one thread, except where said otherwise.

#ifndef CLI_RUN_H_
#define CLI_RUN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cli/arguments.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "client/client.h"

namespace cli {

// What a command is run in.
struct Environment {
  std::ostream& out;
  std::ostream& err;
  Interrupt& interrupt;
  std::string default_server = "127.0.0.1:5678";
  client::Timer* timer = nullptr;  // Null: the machine's.
};

class Run {
 public:
  // All outlive it.
  Run(const Environment& environment, const Arguments& arguments,
      size_t first_operand);
  ~Run();

  // Ends the session if it is the command's own. `result` is how the command
  // went, and is returned.
  absl::Status Finish(absl::Status result);

  const std::string& operand(size_t i) const;
  bool has_operand(size_t i) const;
  const Arguments& flags() const { return arguments_; }
  bool json() const { return arguments_.Has("json"); }
  std::ostream& out() { return environment_.out; }
  std::ostream& err() { return environment_.err; }

  // Writes a line to where it is asked for: the text, which ends its own lines,
  // or the object.
  void Print(const std::string& text, const Json& object);

  absl::StatusOr<client::Connection*> connection();
  absl::StatusOr<uint32_t> partition() const;

  // The session of --session, or one of the command's own.
  absl::StatusOr<client::Session*> session();

  // Opens a session of the command's own, with the timeout of
  // --session-timeout.
  absl::StatusOr<client::Session*> OpenSession();

  // The session outlives the command.
  void LeaveSessionOpen() { owns_session_ = false; }

  // The session `id`, opened elsewhere. With `keep_alive`, refreshed meanwhile.
  absl::StatusOr<client::Session*> AttachSession(uint64_t id, bool keep_alive);

  // Opens the primitive that operand `i` names.
  template <class Primitive>
  absl::StatusOr<Primitive> Open(size_t i) {
    ASSIGN_OR_RETURN(client::Session * session, this->session());
    client::PrimitiveName name(operand(i));
    name.space = arguments_.Text("namespace", "");
    name.profile = arguments_.Text("profile", "");
    return Primitive::Open(*session, name);
  }

  // Prints what a stream brings until --count items, its end or an interrupt,
  // which is no error. `print` may return false for what it did not print: that
  // does not count.
  template <class Item, class Print>
  absl::Status Follow(client::Stream<Item>& stream, Print print) {
    ASSIGN_OR_RETURN(uint64_t left, arguments_.Number("count", UINT64_MAX));
    const Interrupt::Handler handler(environment_.interrupt,
                                     [&stream] { stream.Cancel(); });
    while (left > 0) {
      absl::StatusOr<std::optional<Item>> item = stream.Next();
      if (environment_.interrupt.triggered()) break;
      RETURN_IF_ERROR(item.status());
      if (!item->has_value()) break;
      if constexpr (std::is_void_v<std::invoke_result_t<Print, const Item&>>) {
        print(**item);
      } else if (!print(**item)) {
        continue;
      }
      out().flush();
      --left;
    }
    return absl::OkStatus();
  }

  // Runs `wait(stop)`, which an interrupt asks to stop.
  template <class Wait>
  auto UntilInterrupt(Wait wait) {
    std::stop_source source;
    const Interrupt::Handler handler(environment_.interrupt,
                                     [&source] { source.request_stop(); });
    return wait(source.get_token());
  }

  // Runs `work()`; an interrupt meanwhile runs `action`, on another thread.
  template <class Work>
  auto WhileInterruptible(std::function<void()> action, Work work) {
    const Interrupt::Handler handler(environment_.interrupt, std::move(action));
    return work();
  }

  // Blocks until an interrupt, or until the session of OpenSession is lost.
  absl::Status AwaitInterrupt();

 private:
  absl::StatusOr<uint64_t> FirstSequence() const;
  void NoteRetry(const absl::Status& failure);

  const Environment& environment_;  // Constant after construction.
  const Arguments& arguments_;
  const size_t first_operand_;

  std::unique_ptr<client::Connection> connection_;
  std::unique_ptr<client::Session> session_;
  bool owns_session_ = false;

  base::Mutex mu_;  // What other threads tell.
  base::CondVar changed_;
  bool interrupted_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status lost_ ABSL_GUARDED_BY(mu_);  // OK: the session is not.
  int64_t failing_since_ns_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t failed_last_ns_ ABSL_GUARDED_BY(mu_) = 0;
  bool noted_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cli

#endif  // CLI_RUN_H_
