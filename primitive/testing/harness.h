// Harness drives one primitive as the state machine would, entry by entry, on
// virtual log time: it plays the context, remembers answers, listeners and
// watchers, fires timers, and at any moment can bring the primitive back from
// its encoded rows, as a restart does.
//
//   Harness map(MapType());
//   auto put = map.Ok<pb::PutOutput>("Put", PutInput("a", "1"));
//   map.Tick(5 * kSecond);
//   EXPECT_EQ(map.Status("Get", GetInput("a")), OperationStatus::kNotFound);

#ifndef PRIMITIVE_TESTING_HARNESS_H_
#define PRIMITIVE_TESTING_HARNESS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table_set.h"
#include "session/types.h"

namespace primitive::testing {

inline constexpr uint64_t kSecond = 1'000'000'000;

inline google::protobuf::Duration Duration(int64_t seconds, int32_t nanos = 0) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  duration.set_nanos(nanos);
  return duration;
}

class Harness : private session::CommandContext {
 public:
  // Commands without a session are session 1's.
  static constexpr uint64_t kDefaultSession = 1;

  explicit Harness(session::PrimitiveType type);
  ~Harness() override;

  void set_generation(session::Generation generation) {
    generation_ = generation;
  }

  // --- Entries --------------------------------------------------------------

  // An entry `ns` later in which nothing happens but what is due.
  void Tick(uint64_t ns);

  // From now on entries leave what is due undone, as the state machine's do
  // when more is due than one entry's share.
  void HoldTimers() { hold_timers_ = true; }
  void ReleaseTimers() { hold_timers_ = false; }

  // Runs the command or query named `rpc`, which must answer at once. Commands
  // are an entry each, at the present time.
  session::Result Call(absl::string_view rpc,
                       const google::protobuf::Message& input) {
    return Call(kDefaultSession, rpc, input);
  }
  session::Result Call(uint64_t session, absl::string_view rpc,
                       const google::protobuf::Message& input);

  // The status of Call's result, or its output, which must be kOk.
  session::OperationStatus Status(absl::string_view rpc,
                                  const google::protobuf::Message& input) {
    return Call(rpc, input).status;
  }
  template <class Output>
  Output Ok(absl::string_view rpc, const google::protobuf::Message& input) {
    return Parse<Output>(Call(rpc, input));
  }
  template <class Output>
  static Output Parse(const session::Result& result) {
    EXPECT_EQ(result.status, session::OperationStatus::kOk) << result.message;
    return Parse<Output>(result.output);
  }
  template <class Output>
  static Output Parse(const std::string& bytes) {
    Output output;
    EXPECT_TRUE(output.ParseFromString(bytes));
    return output;
  }

  // Applies any operation number with any bytes as a command, unchecked.
  session::CommandKey Apply(uint64_t session, uint32_t operation,
                            absl::string_view input);

  // Starts a command that may wait or listen.
  session::CommandKey Start(uint64_t session, absl::string_view rpc,
                            const google::protobuf::Message& input);
  // Its answer, if it has one.
  std::optional<session::Result> ResultOf(session::CommandKey command) const;
  bool IsOpen(session::CommandKey command) const {
    return open_.contains(command);
  }

  // The client gave up: an entry that cancels the open command.
  void Cancel(session::CommandKey command);

  // The session ends, or closes the primitive: its commands are cancelled, and
  // it lets go of `items_max` items an entry. Returns how many entries it took.
  size_t EndSession(uint64_t session, size_t items_max = 1000);

  // --- Reads ----------------------------------------------------------------

  // Any operation number with any bytes as a query, or the first slice of a
  // listing, unchecked.
  session::Result Query(uint32_t operation, absl::string_view input) const;
  session::Listing ListSlice(uint32_t operation, absl::string_view input,
                             absl::string_view cursor,
                             const session::SliceBounds& bounds = {
                                 10, UINT64_MAX}) const;

  // The outputs of a stream query's listing, read `rows_max` rows at a time.
  std::vector<std::string> List(absl::string_view rpc,
                                const google::protobuf::Message& input,
                                size_t rows_max = 2) const;

  // Whether a stream query goes on with changes.
  bool Watches(absl::string_view rpc,
               const google::protobuf::Message& input) const;

  // Starts watching; from now on Changes has what came since it was last read.
  void Watch() { watching_ = true; }
  std::vector<std::string> Changes() { return std::exchange(changes_, {}); }
  // Watchers were interrupted since this was last read; they watch on.
  bool Interrupted() { return std::exchange(interrupted_, false); }

  // Outputs of a listening command since they were last read.
  std::vector<std::string> Events(session::CommandKey command);
  template <class Output>
  std::vector<Output> ParsedEvents(session::CommandKey command) {
    std::vector<Output> outputs;
    for (const std::string& bytes : Events(command)) {
      outputs.push_back(Parse<Output>(bytes));
    }
    return outputs;
  }

  // --- State ----------------------------------------------------------------

  uint64_t index() const override { return index_; }
  uint64_t time_ns() const override { return time_ns_; }
  const std::map<std::string, uint64_t>& timers() const { return timers_; }

  // What the last call charged beside events and answers.
  uint64_t charged() const { return charged_; }
  // Timers that the last call set.
  size_t timers_set() const { return new_timers_.size(); }

  // All rows as an image has them: (table, row key) to value.
  using Rows = std::map<std::pair<session::TableId, std::string>, std::string>;
  Rows EncodeRows();

  // Replaces the primitive by one that was loaded from its rows. The timers
  // must come back as they were.
  void Restore();

 private:
  struct Listener {
    std::string filter;
    uint64_t index = 0;
    std::vector<std::string> outputs;
  };
  struct DiskRow {
    uint64_t checkpoint = 0;
    std::string value;
  };

  uint32_t machine_version() const override { return 1; }
  bool has_listeners() const override { return !listeners_.empty(); }
  void Publish(uint64_t change_index, absl::string_view key,
               std::string output) override;
  bool has_watchers() const override { return watching_; }
  void Notify(absl::string_view cursor, std::string output) override;
  void NotifyAt(uint64_t position, int shift, std::string output) override;
  void InterruptWatchers() override { interrupted_ = watching_; }
  void SetTimer(absl::string_view key, uint64_t due_ns) override;
  void CancelTimer(absl::string_view key) override;
  void CancelTimers(char prefix) override;
  void Charge(uint64_t items) override { charged_ += items; }
  void Complete(session::CommandKey command, session::Result result) override;
  session::CommandKey command() const override { return command_; }
  session::Generation generation() const override { return generation_; }
  void Answer(session::Result result) override;
  void KeepOpen() override;
  void Listen(absl::string_view filter, std::string first_output) override;

  const session::Operation& Find(absl::string_view rpc) const;
  void BeginEntry(uint64_t time_ns);

  const session::PrimitiveType type_;
  session::Generation generation_ = session::Generation::kMultiRaft;

  std::unique_ptr<session::TableSet> tables_;
  std::unique_ptr<session::Primitive> primitive_;
  std::map<std::pair<session::TableId, std::string>, DiskRow> disk_;
  uint64_t checkpoint_ = 0;

  uint64_t index_ = 100;  // The primitive's id.
  uint64_t time_ns_ = 1'000 * kSecond;
  uint64_t sequence_ = 0;
  session::CommandKey command_;  // Being applied.
  int replies_ = 0;              // Calls of Answer, KeepOpen and Listen for it.

  std::map<std::string, uint64_t> timers_;
  std::set<std::string> new_timers_;  // Set by the present entry.
  bool hold_timers_ = false;
  uint64_t charged_ = 0;  // By the present entry.
  std::set<session::CommandKey> open_;
  std::map<session::CommandKey, session::Result> results_;
  std::map<session::CommandKey, Listener> listeners_;
  bool watching_ = false;
  bool interrupted_ = false;
  std::vector<std::string> changes_;
};

// Feeds random bytes, and damaged copies of `inputs`, to every operation of a
// primitive of this type as command, query, listing and check: the result does
// not matter, but nothing may crash, and what a check refuses must be answered
// kInternal or kNotSupported.
void FuzzOperations(
    const session::PrimitiveType& type,
    const std::vector<const google::protobuf::Message*>& inputs);

}  // namespace primitive::testing

#endif  // PRIMITIVE_TESTING_HARNESS_H_
