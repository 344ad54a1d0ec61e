// CommandRecords is what makes a command run exactly once: the answers of
// completed commands, and which numbers below a session's mark may still run.
//
// They are kept in blocks of 256 sequence numbers, one row a block, so that a
// checkpoint writes a few rows for thousands of commands, and none for those
// that were acknowledged before it. Long answers are rows of their own.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_COMMAND_RECORDS_H_
#define SESSION_COMMAND_RECORDS_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "session/bloom_filter.h"
#include "session/rows.h"
#include "session/table.h"
#include "session/table_set.h"
#include "session/types.h"

namespace session {

// What one session has in its blocks. Derived; held by the session.
struct RecordCounts {
  uint64_t records = 0;
  uint64_t awaited = 0;
  uint64_t bytes = 0;
};

// One KeepAlive at work: it settles the numbers below last_end. Those its
// filter lacks are forgotten; those from raise_from on that it holds, and that
// have no record, are awaited.
struct Sweep {
  BloomFilter filter;
  uint64_t last_end = 0;
  uint64_t raise_from = 0;
  uint64_t open_cursor = 0;    // Open commands below are settled,
  uint64_t record_cursor = 0;  // and numbers of blocks below.

  bool matches_nothing = false;  // The filter of a client that awaits nothing.
};

class CommandRecords {
 public:
  explicit CommandRecords(TableSet& tables);

  // Valid until the session's records change.
  const CommandRecord* Find(CommandKey command) const;
  bool IsAwaited(CommandKey command) const;

  // The answer in `record`, which is that of `command`.
  Result ResultOf(CommandKey command, const CommandRecord& record) const;

  // Keeps the answer of a command, which is no longer awaited.
  // REQUIRES: it has none.
  void Add(CommandKey command, uint64_t input_hash, const Result& result,
           RecordCounts& counts);

  // The number may run though it is below the mark. REQUIRES: no record.
  void Await(CommandKey command, RecordCounts& counts);
  // It runs, or nobody waits for it any more.
  void EndAwait(CommandKey command, RecordCounts& counts);

  // Forgets the number: record, wait and all.
  void Forget(CommandKey command, RecordCounts& counts);

  // Carries `sweep` on through at most `budget` numbers, which it takes off;
  // true when it is done. `is_open` says whether a number is an open command.
  bool Carry(Sweep& sweep, SessionId session,
             absl::FunctionRef<bool(SequenceNum)> is_open, RecordCounts& counts,
             uint64_t& budget);

  // Erases the first blocks of a session that ended; true when none is left.
  bool EraseSome(SessionId session, uint64_t& budget);

  // Calls `visit(session, block)` for all blocks, in order: after a load.
  void ForEachBlock(
      absl::FunctionRef<void(SessionId, const RecordBlock&)> visit) const;

 private:
  static BlockKey BlockOf(CommandKey command) {
    return {command.session, command.sequence.value() / kBlockSize};
  }
  static uint8_t SlotOf(SequenceNum sequence) {
    return static_cast<uint8_t>(sequence.value() % kBlockSize);
  }

  // Settles the numbers [from, end) of one block.
  void CarryBlock(const Sweep& sweep, BlockKey key, uint64_t from, uint64_t end,
                  absl::FunctionRef<bool(SequenceNum)> is_open,
                  RecordCounts& counts, uint64_t& budget);

  // `record` of the block at `key` goes.
  void EraseApart(const BlockKey& key, const CommandRecord& record);
  void EraseAllApart(const BlockKey& key, const RecordBlock& block);

  Table<BlockKey, RecordBlock> blocks_;
  Table<SequenceKey, OutputRow> outputs_;
};

}  // namespace session

#endif  // SESSION_COMMAND_RECORDS_H_
