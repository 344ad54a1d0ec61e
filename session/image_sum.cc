#include "session/image_sum.h"

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "session/row_key.h"
#include "session/table_set.h"

// The layout of keys and of kEpochs rows: table_set.cc.

namespace session {

absl::Status ImageSum::Add(TableId table, absl::string_view key,
                           absl::string_view value) {
  const auto bad = [&] {
    return absl::DataLossError(absl::StrCat(
        "a row of table ", static_cast<int>(table), " does not decode"));
  };
  base::Reader reader(key);
  const uint64_t owner = reader.U64();
  const uint64_t epoch = reader.U64();
  if (!reader.ok()) return bad();

  if (table == TableId::kEpochs) {
    std::pair<TableId, uint64_t> cleared;
    if (!DecodeRowKey(reader.rest(), cleared)) return bad();
    base::Reader row(value);
    Epoch& entry = epochs_[cleared];
    entry.number = row.U64();
    entry.gone = row.U8() != 0;
    return row.ok() ? absl::OkStatus() : bad();
  }
  const auto cleared = epochs_.find({table, owner});
  if (cleared != epochs_.end()) {
    const Epoch& now = cleared->second;
    if (epoch < now.number || (now.gone && epoch == now.number)) {
      return absl::OkStatus();
    }
  }
  digest_ += RowHash(table, owner, reader.rest(), value);
  return absl::OkStatus();
}

}  // namespace session
