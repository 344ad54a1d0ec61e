#include "session/row_store.h"

#include "base/coding.h"
#include "base/hash.h"
#include "session/table_set.h"

namespace session {
namespace {

uint64_t HashSeed(TableId table, uint64_t owner) {
  std::string bytes;
  base::AppendU16(bytes, static_cast<uint16_t>(table));
  base::AppendU64(bytes, owner);
  return base::Hash64(bytes);
}

}  // namespace

RowStore::RowStore(TableId table_id, uint64_t owner_id, uint64_t epoch_number)
    : table(table_id),
      owner(owner_id),
      epoch(epoch_number),
      counted(table_id != TableId::kEpochs),
      hash_seed_(HashSeed(table_id, owner_id)) {}

uint64_t RowHash(TableId table, uint64_t owner, absl::string_view key,
                 absl::string_view value) {
  return base::Hash64(value, base::Hash64(key, HashSeed(table, owner)));
}

uint64_t RowStore::Hash(absl::string_view key, absl::string_view value) const {
  return base::Hash64(value, base::Hash64(key, hash_seed_));
}

}  // namespace session
