// Formats (do not change: on disk). Numbers are big-endian; `text` is a u32
// length and that many bytes; every value starts with version u8 = 1.
//
//   partition   command_index u64, time u64, term u64, grace_start u64,
//               previous_grace_start u64, event_position u64,
//               machine_version u32, and if that is kMachineVersionNext or
//               above: version_since u64
//   session     timeout u64, refreshed u64, mark_end u64
//   primitive   type text, name_space text, name text, profile text
//   user        closing u8
//   open        primitive u64, input_hash u64, listens u8
//   block       awaited 4 x u64, count u16, then by slot:
//               slot u8, status u8, input_hash u64, text
//   listener    primitive u64, index u64, filter text, acked u64,
//               released u64, released_position u64, end_position u64,
//               error text, forgotten u8
//   event       change_index u64, only session u64, only sequence u64,
//               key text, output text
//   reclaim     open_cursor u64, record_cursor u64, last_end u64,
//               raise_from u64, bits u64, hashes u64, set_bits u64, words text

#include "session/rows.h"

#include <algorithm>
#include <bit>

#include "base/coding.h"

namespace session {
namespace {

using base::AppendU16;
using base::AppendU32;
using base::AppendU64;
using base::AppendU8;
using base::Reader;

constexpr uint8_t kVersion = 1;
// Beside a record's status: its text is a row of its own. Do not change: on
// disk.
constexpr uint8_t kApart = 0x80;

void AppendText(std::string& out, absl::string_view text) {
  AppendU32(out, static_cast<uint32_t>(text.size()));
  out.append(text.data(), text.size());
}

std::string ReadText(Reader& reader) {
  const uint32_t size = reader.U32();
  return std::string(reader.Bytes(size));
}

// A flag is 0 or 1, so that equal rows have equal bytes and the reverse.
bool ReadFlag(Reader& reader, bool& flag) {
  const uint8_t value = reader.U8();
  flag = value == 1;
  return value <= 1;
}

bool ReadVersion(Reader& reader) { return reader.U8() == kVersion; }

bool IsStatus(uint8_t value) {
  return value <= static_cast<uint8_t>(OperationStatus::kFault);
}

}  // namespace

void PartitionRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendU64(out, command_index);
  AppendU64(out, time_ns);
  AppendU64(out, term);
  AppendU64(out, grace_start_ns);
  AppendU64(out, previous_grace_start_ns);
  AppendU64(out, event_position);
  AppendU32(out, machine_version);
  if (machine_version >= kMachineVersionNext) AppendU64(out, version_since);
}

bool PartitionRow::Decode(absl::string_view bytes, PartitionRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.command_index = reader.U64();
  row.time_ns = reader.U64();
  row.term = reader.U64();
  row.grace_start_ns = reader.U64();
  row.previous_grace_start_ns = reader.U64();
  row.event_position = reader.U64();
  row.machine_version = reader.U32();
  row.version_since =
      row.machine_version >= kMachineVersionNext ? reader.U64() : 0;
  return reader.done();
}

void SessionRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendU64(out, timeout_ns);
  AppendU64(out, refreshed_ns);
  AppendU64(out, mark_end);
}

bool SessionRow::Decode(absl::string_view bytes, SessionRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.timeout_ns = reader.U64();
  row.refreshed_ns = reader.U64();
  row.mark_end = reader.U64();
  return reader.done();
}

void PrimitiveRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendText(out, type);
  AppendText(out, name_space);
  AppendText(out, name);
  AppendText(out, profile);
}

bool PrimitiveRow::Decode(absl::string_view bytes, PrimitiveRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.type = ReadText(reader);
  row.name_space = ReadText(reader);
  row.name = ReadText(reader);
  row.profile = ReadText(reader);
  return reader.done();
}

void UserRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendU8(out, closing);
}

bool UserRow::Decode(absl::string_view bytes, UserRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  return ReadFlag(reader, row.closing) && reader.done();
}

void OpenCommandRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendU64(out, primitive.value());
  AppendU64(out, input_hash);
  AppendU8(out, listens);
}

bool OpenCommandRow::Decode(absl::string_view bytes, OpenCommandRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.primitive = PrimitiveId(reader.U64());
  row.input_hash = reader.U64();
  return ReadFlag(reader, row.listens) && reader.done();
}

const CommandRecord* RecordBlock::Find(uint8_t slot) const {
  // Numbers mostly come in order, so the newest record is the likely one, and a
  // slot behind it has none.
  if (records.empty() || records.back().slot < slot) return nullptr;
  auto it = std::lower_bound(
      records.begin(), records.end(), slot,
      [](const CommandRecord& record, uint8_t s) { return record.slot < s; });
  return it->slot == slot ? &*it : nullptr;
}

void RecordBlock::set_awaited(uint8_t slot, bool value) {
  const uint64_t bit = uint64_t{1} << (slot % 64);
  if (value) {
    awaited[slot / 64] |= bit;
  } else {
    awaited[slot / 64] &= ~bit;
  }
}

uint64_t RecordBlock::awaited_count() const {
  uint64_t count = 0;
  for (uint64_t word : awaited) count += std::popcount(word);
  return count;
}

bool RecordBlock::empty() const {
  return records.empty() && awaited == decltype(awaited){};
}

void RecordBlock::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  for (uint64_t word : awaited) AppendU64(out, word);
  AppendU16(out, static_cast<uint16_t>(records.size()));
  for (const CommandRecord& record : records) {
    const bool apart = record.apart_bytes != 0;
    AppendU8(out, record.slot);
    AppendU8(out, static_cast<uint8_t>(record.status) | (apart ? kApart : 0));
    AppendU64(out, record.input_hash);
    if (apart) {
      AppendU32(out, record.apart_bytes);
    } else {
      AppendText(out, record.text);
    }
  }
}

bool RecordBlock::Decode(absl::string_view bytes, RecordBlock& row) {
  row = RecordBlock();
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  for (uint64_t& word : row.awaited) word = reader.U64();
  const uint16_t count = reader.U16();
  if (count > kBlockSize) return false;
  int previous = -1;
  for (uint16_t i = 0; i < count; ++i) {
    CommandRecord record;
    record.slot = reader.U8();
    const uint8_t byte = reader.U8();
    const bool apart = (byte & kApart) != 0;
    const uint8_t status = byte & ~kApart;
    record.input_hash = reader.U64();
    if (apart) {
      record.apart_bytes = reader.U32();
    } else {
      record.text = ReadText(reader);
    }
    if (!reader.ok() || record.slot <= previous || !IsStatus(status) ||
        apart != (record.apart_bytes != 0)) {
      return false;
    }
    previous = record.slot;
    record.status = static_cast<OperationStatus>(status);
    row.records_bytes += record.cached_bytes();
    row.apart_bytes += record.apart_bytes;
    row.records.push_back(std::move(record));
  }
  return reader.done();
}

void OutputRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendText(out, text);
}

bool OutputRow::Decode(absl::string_view bytes, OutputRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.text = ReadText(reader);
  return reader.done();
}

void ListenerRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendU64(out, primitive.value());
  AppendU64(out, index);
  AppendText(out, filter);
  AppendU64(out, acked_number);
  AppendU64(out, released_number);
  AppendU64(out, released_position);
  AppendU64(out, end_position);
  AppendText(out, error);
  AppendU8(out, forgotten);
}

bool ListenerRow::Decode(absl::string_view bytes, ListenerRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.primitive = PrimitiveId(reader.U64());
  row.index = reader.U64();
  row.filter = ReadText(reader);
  row.acked_number = reader.U64();
  row.released_number = reader.U64();
  row.released_position = reader.U64();
  row.end_position = reader.U64();
  row.error = ReadText(reader);
  return ReadFlag(reader, row.forgotten) && reader.done();
}

void EventRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendU64(out, change_index);
  AppendU64(out, only.session.value());
  AppendU64(out, only.sequence.value());
  AppendText(out, key);
  AppendText(out, output);
}

bool EventRow::Decode(absl::string_view bytes, EventRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.change_index = reader.U64();
  row.only.session = SessionId(reader.U64());
  row.only.sequence = SequenceNum(reader.U64());
  row.key = ReadText(reader);
  row.output = ReadText(reader);
  return reader.done();
}

void ReclaimRow::Encode(std::string& out) const {
  AppendU8(out, kVersion);
  AppendU64(out, open_cursor);
  AppendU64(out, record_cursor);
  AppendU64(out, last_end);
  AppendU64(out, raise_from);
  AppendU64(out, filter_bits);
  AppendU64(out, filter_hashes);
  AppendU64(out, filter_set_bits);
  AppendText(out, filter_words);
}

bool ReclaimRow::Decode(absl::string_view bytes, ReclaimRow& row) {
  Reader reader(bytes);
  if (!ReadVersion(reader)) return false;
  row.open_cursor = reader.U64();
  row.record_cursor = reader.U64();
  row.last_end = reader.U64();
  row.raise_from = reader.U64();
  row.filter_bits = reader.U64();
  row.filter_hashes = reader.U64();
  row.filter_set_bits = reader.U64();
  row.filter_words = ReadText(reader);
  return reader.done();
}

}  // namespace session
