#include "session/command_records.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/check.h"

namespace session {
namespace {

uint64_t BlockStart(uint64_t block) { return block * kBlockSize; }
// The number behind the block; the last block of all ends at the last number.
uint64_t BlockEnd(uint64_t block) {
  const uint64_t start = BlockStart(block);
  return start > UINT64_MAX - kBlockSize ? UINT64_MAX : start + kBlockSize;
}

void Charge(uint64_t& budget, uint64_t items) {
  budget -= std::min(budget, items);
}

}  // namespace

CommandRecords::CommandRecords(TableSet& tables)
    : blocks_(tables, TableId::kRecords), outputs_(tables, TableId::kOutputs) {}

const CommandRecord* CommandRecords::Find(CommandKey command) const {
  const RecordBlock* block = blocks_.Find(BlockOf(command));
  return block == nullptr ? nullptr : block->Find(SlotOf(command.sequence));
}

bool CommandRecords::IsAwaited(CommandKey command) const {
  const RecordBlock* block = blocks_.Find(BlockOf(command));
  return block != nullptr && block->is_awaited(SlotOf(command.sequence));
}

Result CommandRecords::ResultOf(CommandKey command,
                                const CommandRecord& record) const {
  const std::string* text = &record.text;
  if (record.apart_bytes != 0) {
    const OutputRow* row = outputs_.Find(RowKeyOf(command));
    CHECK(row != nullptr) << "sequence " << command.sequence << " of session "
                          << command.session << " has lost its output";
    text = &row->text;
  }
  if (record.status == OperationStatus::kOk) return Ok(*text);
  return Failure(record.status, *text);
}

void CommandRecords::Add(CommandKey command, uint64_t input_hash,
                         const Result& result, RecordCounts& counts) {
  const BlockKey key = BlockOf(command);
  const uint8_t slot = SlotOf(command.sequence);
  CommandRecord record{.slot = slot,
                       .status = result.status,
                       .input_hash = input_hash,
                       .text = result.status == OperationStatus::kOk
                                   ? result.output
                                   : result.message};
  if (record.text.size() > CommandRecord::kTextBytesMax) {
    record.apart_bytes = static_cast<uint32_t>(record.text.size());
    outputs_.Insert(RowKeyOf(command), {std::exchange(record.text, {})});
  }
  ++counts.records;
  counts.bytes += record.cached_bytes();
  if (blocks_.Find(key) == nullptr) blocks_.Insert(key, RecordBlock());
  blocks_.Update(key, [&](RecordBlock& block) {
    if (block.is_awaited(slot)) {
      block.set_awaited(slot, false);
      --counts.awaited;
    }
    auto at = block.records.end();
    if (!block.records.empty() && block.records.back().slot >= slot) {
      at = std::lower_bound(
          block.records.begin(), block.records.end(), slot,
          [](const CommandRecord& r, uint8_t s) { return r.slot < s; });
      CHECK(at->slot != slot)
          << "sequence " << command.sequence << " of session "
          << command.session << " has a record";
    }
    block.records_bytes += record.cached_bytes();
    block.apart_bytes += record.apart_bytes;
    block.records.insert(at, std::move(record));
  });
}

void CommandRecords::Await(CommandKey command, RecordCounts& counts) {
  const BlockKey key = BlockOf(command);
  const uint8_t slot = SlotOf(command.sequence);
  const RecordBlock* block = blocks_.Find(key);
  if (block == nullptr) {
    blocks_.Insert(key, RecordBlock());
  } else if (block->is_awaited(slot)) {
    return;
  }
  ++counts.awaited;
  blocks_.Update(key, [slot](RecordBlock& b) { b.set_awaited(slot, true); });
}

void CommandRecords::EndAwait(CommandKey command, RecordCounts& counts) {
  if (!IsAwaited(command)) return;
  const BlockKey key = BlockOf(command);
  --counts.awaited;
  blocks_.Update(key, [&](RecordBlock& block) {
    block.set_awaited(SlotOf(command.sequence), false);
  });
  if (blocks_.Find(key)->empty()) blocks_.Erase(key);
}

void CommandRecords::Forget(CommandKey command, RecordCounts& counts) {
  EndAwait(command, counts);
  const CommandRecord* record = Find(command);
  if (record == nullptr) return;
  const BlockKey key = BlockOf(command);
  const uint64_t bytes = record->cached_bytes();
  const uint64_t apart_bytes = record->apart_bytes;
  EraseApart(key, *record);
  --counts.records;
  counts.bytes -= bytes;
  blocks_.Update(key, [&](RecordBlock& block) {
    block.records_bytes -= bytes;
    block.apart_bytes -= apart_bytes;
    std::erase_if(block.records, [&](const CommandRecord& r) {
      return r.slot == SlotOf(command.sequence);
    });
  });
  if (blocks_.Find(key)->empty()) blocks_.Erase(key);
}

void CommandRecords::EraseApart(const BlockKey& key,
                                const CommandRecord& record) {
  if (record.apart_bytes == 0) return;
  outputs_.Erase(
      {key.first, SequenceNum(BlockStart(key.second) + record.slot)});
}

void CommandRecords::EraseAllApart(const BlockKey& key,
                                   const RecordBlock& block) {
  if (block.apart_bytes == 0) return;
  for (const CommandRecord& record : block.records) EraseApart(key, record);
}

bool CommandRecords::Carry(Sweep& sweep, SessionId session,
                           absl::FunctionRef<bool(SequenceNum)> is_open,
                           RecordCounts& counts, uint64_t& budget) {
  while (sweep.record_cursor < sweep.last_end) {
    if (budget == 0) return false;
    uint64_t block = sweep.record_cursor / kBlockSize;
    // Where nothing is kept, nothing is to be forgotten; only the numbers to
    // await need a visit.
    const bool awaits =
        !sweep.matches_nothing && sweep.last_end > sweep.raise_from;
    std::optional<uint64_t> kept;
    blocks_.ScanFrom({session, block},
                     [&](const BlockKey& key, const RecordBlock&) {
                       if (key.first == session) kept = key.second;
                       return false;
                     });
    uint64_t next = UINT64_MAX;
    if (kept) next = std::max(BlockStart(*kept), sweep.record_cursor);
    if (awaits) {
      next = std::min(next, std::max(sweep.raise_from, sweep.record_cursor));
    }
    if (next >= sweep.last_end) {
      sweep.record_cursor = sweep.last_end;
      break;
    }
    block = next / kBlockSize;
    uint64_t end = std::min(BlockEnd(block), sweep.last_end);
    if (!sweep.matches_nothing && end - next > budget) end = next + budget;
    CarryBlock(sweep, {session, block}, next, end, is_open, counts, budget);
    sweep.record_cursor = end;
  }
  return true;
}

void CommandRecords::CarryBlock(const Sweep& sweep, BlockKey key, uint64_t from,
                                uint64_t end,
                                absl::FunctionRef<bool(SequenceNum)> is_open,
                                RecordCounts& counts, uint64_t& budget) {
  const RecordBlock* block = blocks_.Find(key);
  if (sweep.matches_nothing) {
    if (block == nullptr) return;
    const bool whole =
        from <= BlockStart(key.second) && end >= BlockEnd(key.second);
    if (whole) {
      Charge(budget, block->records.size() + 1);
      counts.records -= block->records.size();
      counts.awaited -= block->awaited_count();
      counts.bytes -= block->records_bytes;
      EraseAllApart(key, *block);
      blocks_.Erase(key);
      return;
    }
  }

  // First decide, then change: a block that stays as it is stays clean.
  bool changes = false;
  uint64_t judged = 1;
  std::array<bool, kBlockSize> forget{};
  std::array<bool, kBlockSize> await{};
  for (uint64_t number = from; number < end; ++number) {
    const auto slot = static_cast<uint8_t>(number % kBlockSize);
    const bool recorded = block != nullptr && block->Find(slot) != nullptr;
    const bool awaited = block != nullptr && block->is_awaited(slot);
    const bool may_await = !recorded && !awaited && number >= sweep.raise_from;
    if (!recorded && !awaited && !may_await) continue;
    ++judged;
    if (!sweep.filter.Contains(SequenceNum(number))) {
      forget[slot] = recorded || awaited;
    } else if (may_await && !is_open(SequenceNum(number))) {
      await[slot] = true;
    }
    changes |= forget[slot] || await[slot];
  }
  Charge(budget, judged);
  if (!changes) return;

  if (block == nullptr) blocks_.Insert(key, RecordBlock());
  blocks_.Update(key, [&](RecordBlock& b) {
    for (size_t i = 0; i < kBlockSize; ++i) {
      const auto slot = static_cast<uint8_t>(i);
      if (await[i]) {
        b.set_awaited(slot, true);
        ++counts.awaited;
      } else if (forget[i] && b.is_awaited(slot)) {
        b.set_awaited(slot, false);
        --counts.awaited;
      }
    }
    std::erase_if(b.records, [&](const CommandRecord& record) {
      if (!forget[record.slot]) return false;
      --counts.records;
      counts.bytes -= record.cached_bytes();
      b.records_bytes -= record.cached_bytes();
      b.apart_bytes -= record.apart_bytes;
      EraseApart(key, record);
      return true;
    });
  });
  if (blocks_.Find(key)->empty()) blocks_.Erase(key);
}

bool CommandRecords::EraseSome(SessionId session, uint64_t& budget) {
  while (true) {
    std::optional<BlockKey> first;
    uint64_t records = 0;
    blocks_.ScanFrom({session, 0},
                     [&](const BlockKey& key, const RecordBlock& block) {
                       if (key.first == session) first = key;
                       records = block.records.size();
                       return false;
                     });
    if (!first) return true;
    if (budget == 0) return false;
    Charge(budget, records + 1);
    EraseAllApart(*first, *blocks_.Find(*first));
    blocks_.Erase(*first);
  }
}

void CommandRecords::ForEachBlock(
    absl::FunctionRef<void(SessionId, const RecordBlock&)> visit) const {
  blocks_.Scan([&](const BlockKey& key, const RecordBlock& block) {
    visit(key.first, block);
    return true;
  });
}

}  // namespace session
