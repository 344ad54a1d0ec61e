// Replica is a state machine with the entries that made it, in the words of the
// tests of session/: sessions, commands, KeepAlives, time and terms.

#ifndef SESSION_TESTING_REPLICA_H_
#define SESSION_TESTING_REPLICA_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "multiraft/disk/v1/command.pb.h"
#include "session/limits.h"
#include "session/state_machine.h"
#include "session/testing/box.h"
#include "session/types.h"

namespace session::testing {

inline constexpr uint64_t kSecond = 1'000'000'000;

// An entry as the log keeps it.
struct KeptEntry {
  uint64_t term = 1;
  uint64_t time_ns = 0;
  std::string payload;
};

// An image as the store keeps it.
struct KeptImage {
  std::vector<EncodedRow> rows;  // In (table, key) order, live ones only.
  ImageHeader header;
};

class Replica {
 public:
  explicit Replica(const Limits& limits = {});
  Replica(Replica&&) = default;

  // --- Time -----------------------------------------------------------------

  // The time and term of the entries to come.
  void At(uint64_t time_ns) { time_ns_ = time_ns; }
  void Pass(uint64_t time_ns) { time_ns_ += time_ns; }
  void NewTerm() { ++term_; }
  uint64_t now() const { return time_ns_; }

  // --- Entries --------------------------------------------------------------

  SessionId Open(uint64_t timeout_ns = 60 * kSecond);
  // `running`: the numbers the client still waits for. `acks`: of streams.
  Applied KeepAlive(
      SessionId session, uint64_t last,
      const std::vector<uint64_t>& running = {},
      const std::vector<std::pair<uint64_t, uint64_t>>& acks = {});
  Applied Close(SessionId session);
  Applied Run(SessionId session, uint64_t sequence, PrimitiveId primitive,
              uint32_t operation, absl::string_view input = "");
  // The id, or 0 if it failed.
  PrimitiveId Create(SessionId session, uint64_t sequence,
                     absl::string_view name,
                     absl::string_view service = "test.Box");
  Applied ClosePrimitive(SessionId session, uint64_t sequence,
                         PrimitiveId primitive);
  Applied Cancel(SessionId session, uint64_t sequence);
  Applied Tick();
  Applied NoOp();
  Applied Checkpoint();
  Applied Apply(const multiraft::disk::v1::Command& command);
  Applied ApplyBytes(std::string payload);
  Applied ApplyKept(const KeptEntry& entry);

  // --- Reading --------------------------------------------------------------

  // The outputs of a command above `after`, "1:text 2:kConflict text ...", then
  // " end" if it is over.
  std::string Outputs(SessionId session, uint64_t sequence,
                      uint64_t after = 0) const;
  std::string Get(SessionId session, PrimitiveId primitive,
                  absl::string_view key) const;
  StateMachine::OpenedQuery List(SessionId session, uint64_t sequence,
                                 PrimitiveId primitive,
                                 absl::string_view input = "");
  // What the stream has to say now: "a=1 b=2", then "end" or "overflow".
  std::string ReadAll(QueryStreamId id);

  // --- Images ---------------------------------------------------------------

  // Encodes the cut that a Checkpoint entry froze, `rows_max` rows at a time,
  // and makes it durable.
  void WriteImage(size_t rows_max = 1000);
  const KeptImage& image() const { return *image_; }
  // A replica that loaded the image; CHECKs that it can.
  static Replica Load(const KeptImage& image, const Limits& limits = {});

  StateMachine& machine() { return *machine_; }
  const StateMachine& machine() const { return *machine_; }
  const std::vector<KeptEntry>& log() const { return log_; }

 private:
  struct Store;

  Limits limits_;
  std::unique_ptr<StateMachine> machine_;
  uint64_t term_ = 1;
  uint64_t time_ns_ = kSecond;
  std::vector<KeptEntry> log_;
  std::shared_ptr<Store> store_;  // Rows of durable images, all versions.
  std::shared_ptr<KeptImage> image_;
};

// The filter a Go driver would send for these numbers.
multiraft::disk::v1::BloomFilter FilterOf(const std::vector<uint64_t>& running);
// Whether it holds `number`: one of `running`, or a false positive.
bool FilterHolds(const std::vector<uint64_t>& running, uint64_t number);

multiraft::disk::v1::Command PrimitiveCommandOf(SessionId session,
                                                uint64_t sequence,
                                                PrimitiveId primitive,
                                                uint32_t operation,
                                                absl::string_view input);

std::string ToString(const Result& result);

}  // namespace session::testing

#endif  // SESSION_TESTING_REPLICA_H_
