// The rows of the session layer's tables: everything about sessions, commands,
// primitives and streams that is replicated, and its bytes in an image.
//
// Every value starts with the version of its row type; a version this binary
// does not know does not decode. The formats are drawn in rows.cc.

#ifndef SESSION_ROWS_H_
#define SESSION_ROWS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "session/types.h"
#include "session/versions.h"

namespace session {

// TableId::kPartition, at key 0: what every entry moves.
struct PartitionRow {
  uint64_t command_index = 0;  // The index that clients see.
  uint64_t time_ns = 0;        // Log time.
  uint64_t term = 0;
  uint64_t grace_start_ns = 0;           // The time of the term's first entry.
  uint64_t previous_grace_start_ns = 0;  // And of the term before.
  uint64_t event_position = 0;           // Of the last event published.
  uint32_t machine_version = 0;
  // From kMachineVersionNext on: the log index of the entry that set it.
  uint64_t version_since = 0;

  bool operator==(const PartitionRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, PartitionRow& row);
  // The same in every binary, whatever fields it has.
  size_t size_bytes() const {
    return 56 + (machine_version >= kMachineVersionNext ? 8 : 0);
  }
};

// TableId::kSessions.
struct SessionRow {
  uint64_t timeout_ns = 0;
  uint64_t refreshed_ns = 0;
  // KeepAlives have settled every number below (design: mark + 1): such a
  // number runs only if it is awaited.
  uint64_t mark_end = 0;

  bool operator==(const SessionRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, SessionRow& row);
  size_t size_bytes() const { return sizeof(*this); }
};

// TableId::kPrimitives. (name_space, name, profile) is unique.
struct PrimitiveRow {
  std::string type;  // PrimitiveType::name.
  std::string name_space;
  std::string name;
  std::string profile;

  bool operator==(const PrimitiveRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, PrimitiveRow& row);
  size_t size_bytes() const {
    return type.size() + name_space.size() + name.size() + profile.size();
  }
};

// TableId::kUsers: a session has opened a primitive.
using UserKey = std::pair<SessionId, PrimitiveId>;
struct UserRow {
  // It has closed it, or has ended, and what it held is being released.
  bool closing = false;

  bool operator==(const UserRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, UserRow& row);
  size_t size_bytes() const { return sizeof(*this); }
};

// TableId::kOpenCommands: a command that waits, or listens to events.
using SequenceKey = std::pair<SessionId, SequenceNum>;
inline SequenceKey RowKeyOf(CommandKey command) {
  return {command.session, command.sequence};
}
struct OpenCommandRow {
  PrimitiveId primitive;
  uint64_t input_hash = 0;
  bool listens = false;  // Then it has a ListenerRow.

  bool operator==(const OpenCommandRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, OpenCommandRow& row);
  size_t size_bytes() const { return sizeof(*this); }
};

// A completed command: its one answer, kept until a KeepAlive drops it.
struct CommandRecord {
  uint8_t slot = 0;  // Its sequence number within the block.
  OperationStatus status = OperationStatus::kOk;
  uint64_t input_hash = 0;
  std::string text;  // The output if kOk, else the message.
  // Not 0: the text is so long, and not here but in an OutputRow.
  uint32_t apart_bytes = 0;

  // What it counts for in its session's cache.
  uint64_t cached_bytes() const {
    return kOverhead + text.size() + apart_bytes;
  }

  static constexpr uint64_t kOverhead = 48;
  // Longer texts are rows of their own, so that a block is no more than about a
  // MiB, whatever its commands answer: rows travel whole.
  static constexpr size_t kTextBytesMax = 4 << 10;
  bool operator==(const CommandRecord&) const = default;
};

// TableId::kRecords: the completed commands of 256 sequence numbers, and which
// of the numbers below the mark are still awaited. Never empty in its table.
inline constexpr uint64_t kBlockSize = 256;
using BlockKey = std::pair<SessionId, uint64_t>;  // Sequence / kBlockSize.
struct RecordBlock {
  std::array<uint64_t, kBlockSize / 64> awaited{};  // Bit set: slot awaited.
  std::vector<CommandRecord> records;               // By slot.

  // Null if there is none.
  const CommandRecord* Find(uint8_t slot) const;
  bool is_awaited(uint8_t slot) const {
    return (awaited[slot / 64] >> (slot % 64) & 1) != 0;
  }
  void set_awaited(uint8_t slot, bool value);
  uint64_t awaited_count() const;
  bool empty() const;

  bool operator==(const RecordBlock&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, RecordBlock& row);
  size_t size_bytes() const {
    return sizeof(*this) + records_bytes - apart_bytes;
  }

  // The sums of cached_bytes and of apart_bytes of `records`; derived.
  uint64_t records_bytes = 0;
  uint64_t apart_bytes = 0;
};

// TableId::kOutputs: the text of a record that is too long for its block.
struct OutputRow {
  std::string text;

  bool operator==(const OutputRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, OutputRow& row);
  size_t size_bytes() const { return sizeof(*this) + text.size(); }
};

// TableId::kListeners: a command that listens. Which events it has yet to
// acknowledge follows from this row and the events: those of its primitive
// behind released_position that match it, published since it came.
struct ListenerRow {
  PrimitiveId primitive;
  uint64_t index = 0;  // Of the command. Changes before it are not reported.
  std::string filter;  // A key; empty: all.
  // The client has the outputs up to acked_number; those up to released_number
  // are let go of (acked ones follow in slices).
  uint64_t acked_number = 0;
  uint64_t released_number = 0;
  uint64_t released_position = 0;
  // Not 0: it fell behind. It gets the events up to this position and then one
  // last output, the error.
  uint64_t end_position = 0;
  std::string error;
  // The command is over; what is left are outputs to let go of.
  bool forgotten = false;

  bool operator==(const ListenerRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, ListenerRow& row);
  size_t size_bytes() const {
    return sizeof(*this) + filter.size() + error.size();
  }
};

// TableId::kEvents: an event that a listener has not let go of yet.
using EventKey = std::pair<PrimitiveId, uint64_t>;  // Its position.
struct EventRow {
  uint64_t change_index = 0;
  // Its only listener, or session 0: whoever matches.
  CommandKey only;
  std::string key;
  std::string output;

  bool operator==(const EventRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, EventRow& row);
  size_t size_bytes() const {
    return sizeof(*this) + key.size() + output.size();
  }
};

// What is left of work that one entry may not finish, in the order in which it
// is done: what others wait for first. Do not change: on disk.
enum class ReclaimKind : uint8_t {
  kOpenCommands = 1,  // Cancel them: session, primitive (0: all).
  kHeld = 2,     // Release what primitives hold: session, primitive (0: all).
  kOutputs = 3,  // Let go of a listener's outputs: session, sequence.
  kSweep = 4,    // A KeepAlive: number, session; the oldest first.
  kRecords = 5,  // Of a session that ended: session, 0.
};

// TableId::kReclaims.
using ReclaimKey = std::tuple<ReclaimKind, uint64_t, uint64_t>;
struct ReclaimRow {
  uint64_t open_cursor = 0;    // kOpenCommands, kSweep: next number to visit.
  uint64_t record_cursor = 0;  // kSweep: next number to visit among records.
  uint64_t last_end = 0;       // kSweep: it settles the numbers below,
  uint64_t raise_from = 0;     // and awaits those from here in its filter.
  uint64_t filter_bits = 0;    // kSweep, as disk.v1.BloomFilter.
  uint64_t filter_hashes = 0;
  uint64_t filter_set_bits = 0;
  std::string filter_words;

  bool operator==(const ReclaimRow&) const = default;
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, ReclaimRow& row);
  size_t size_bytes() const { return sizeof(*this) + filter_words.size(); }
};

}  // namespace session

#endif  // SESSION_ROWS_H_
