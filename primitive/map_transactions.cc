// Row of a transaction, by session and number:
//
//   version u8 = 1 | expire u64 | changes, each:
//       kind u8 | key size u32, key | value size u32, value | prev index u64 |
//       has ttl u8 = 0, or 1 and seconds u64, nanos u32

#include "primitive/map_transactions.h"

#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "session/row_store.h"

namespace primitive {
namespace {

using session::CommandKey;
using session::PrimitiveContext;
using session::SequenceNum;
using session::SessionId;

constexpr uint8_t kRowVersion = 1;

void AppendText(std::string& out, const std::string& text) {
  base::AppendU32(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

std::string ReadText(base::Reader& reader) {
  const uint32_t size = reader.U32();
  return std::string(reader.Bytes(size));
}

void AppendChange(std::string& out, const MapChange& change) {
  base::AppendU8(out, static_cast<uint8_t>(change.kind));
  AppendText(out, change.key);
  AppendText(out, change.value);
  base::AppendU64(out, change.prev_index);
  base::AppendU8(out, change.ttl.has_value() ? 1 : 0);
  if (!change.ttl.has_value()) return;
  base::AppendU64(out, static_cast<uint64_t>(change.ttl->seconds()));
  base::AppendU32(out, static_cast<uint32_t>(change.ttl->nanos()));
}

// False if it is none.
bool ReadChange(base::Reader& reader, MapChange& change) {
  change.kind = static_cast<MapChange::Kind>(reader.U8());
  change.key = ReadText(reader);
  change.value = ReadText(reader);
  change.prev_index = reader.U64();
  const uint8_t has_ttl = reader.U8();
  if (has_ttl == 1) {
    change.ttl.emplace();
    change.ttl->set_seconds(static_cast<int64_t>(reader.U64()));
    change.ttl->set_nanos(static_cast<int32_t>(reader.U32()));
  }
  switch (change.kind) {
    case MapChange::Kind::kPut:
    case MapChange::Kind::kInsert:
    case MapChange::Kind::kUpdate:
    case MapChange::Kind::kRemove:
      return reader.ok() && has_ttl <= 1;
  }
  return false;
}

}  // namespace

void MapTransactionRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, expire_ns);
  for (const MapChange& change : changes) AppendChange(out, change);
}

bool MapTransactionRow::Decode(absl::string_view bytes,
                               MapTransactionRow& row) {
  base::Reader reader(bytes);
  if (reader.U8() != kRowVersion) return false;
  row.expire_ns = reader.U64();
  row.changes.clear();
  while (reader.ok() && !reader.rest().empty()) {
    if (!ReadChange(reader, row.changes.emplace_back())) return false;
  }
  return reader.done();
}

size_t MapTransactionRow::size_bytes() const {
  size_t size = 9;
  for (const MapChange& change : changes) {
    size += 18 + change.key.size() + change.value.size();
    if (change.ttl.has_value()) size += 12;
    // Commit comes through when the state is full: the row that it makes has
    // its room already.
    if (change.kind != MapChange::Kind::kRemove) size += session::kRowOverhead;
  }
  return size;
}

MapTransactions::MapTransactions(session::TableSet& tables,
                                 session::PrimitiveId owner, char timer_prefix)
    : timer_prefix_(timer_prefix),
      rows_(tables, session::TableId::kMapTransaction, owner.value()) {}

void MapTransactions::Add(PrimitiveContext& context, CommandKey id,
                          std::vector<MapChange> changes) {
  const uint64_t now_ns = context.time_ns();
  MapTransactionRow row{.changes = std::move(changes)};
  if (now_ns < session::kNever - kLifetimeNs) {
    row.expire_ns = now_ns + kLifetimeNs;
  }
  Hold(context, id, rows_.Insert(id, std::move(row)));
}

void MapTransactions::Hold(PrimitiveContext& context, CommandKey id,
                           const MapTransactionRow& row) {
  for (const MapChange& change : row.changes) {
    CHECK(holders_.emplace(change.key, id).second) << "two transactions of one";
  }
  if (row.expire_ns != session::kNever) {
    context.SetTimer(TimerKey(id), row.expire_ns);
  }
}

std::vector<MapChange> MapTransactions::Take(PrimitiveContext& context,
                                             CommandKey id) {
  std::vector<MapChange> changes = rows_.Find(id)->changes;
  for (const MapChange& change : changes) holders_.erase(change.key);
  rows_.Erase(id);
  context.CancelTimer(TimerKey(id));
  return changes;
}

MapTransactions::Freed MapTransactions::AbortSome(PrimitiveContext& context,
                                                  SessionId session,
                                                  size_t keys_max) {
  Freed freed;
  while (true) {
    std::optional<CommandKey> next;
    rows_.ScanFrom({session, SequenceNum(0)},
                   [&](const CommandKey& id, const MapTransactionRow&) {
                     if (id.session == session) next = id;
                     return false;
                   });
    if (!next.has_value()) return freed;
    if (freed.keys >= keys_max) {
      freed.done = false;
      return freed;
    }
    // One without keys is something to free, too.
    const size_t keys = Take(context, *next).size() + 1;
    context.Charge(keys);
    freed.keys += keys;
  }
}

void MapTransactions::TimerFired(PrimitiveContext& context,
                                 absl::string_view timer) {
  base::Reader reader(timer.substr(1));
  CommandKey id;
  id.session = SessionId(reader.U64());
  id.sequence = SequenceNum(reader.U64());
  const MapTransactionRow* row = rows_.Find(id);
  if (row == nullptr || row->expire_ns > context.time_ns()) return;
  context.Charge(Take(context, id).size());
}

void MapTransactions::Loaded(PrimitiveContext& context) {
  rows_.Scan([&](const CommandKey& id, const MapTransactionRow& row) {
    Hold(context, id, row);
    return true;
  });
}

std::string MapTransactions::TimerKey(CommandKey id) const {
  std::string key(1, timer_prefix_);
  base::AppendU64(key, id.session.value());
  base::AppendU64(key, id.sequence.value());
  return key;
}

}  // namespace primitive
