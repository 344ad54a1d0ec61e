// Do not change: on disk. A claim is
//
//   magic u32 ("mrsy"), sequence u64
//
// big-endian, as log data (WriteBatch::PutLogData) of a batch.

#include "storage/synced_claims.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "base/coding.h"
#include "rocksdb/write_batch.h"
#include "storage/rocks_status.h"
#include "storage/wal_fragment.h"

namespace storage {
namespace {

constexpr uint32_t kMagic = 0x6d727379;  // "mrsy"

class ClaimFinder : public rocksdb::WriteBatch::Handler {
 public:
  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice&,
                        const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(uint32_t, const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteRangeCF(uint32_t, const rocksdb::Slice&,
                                const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  void LogData(const rocksdb::Slice& blob) override {
    highest = std::max(highest, DecodeSyncedClaim(FromSlice(blob)).value_or(0));
  }

  uint64_t highest = 0;
};

// Calls `record` for each whole record of the log.
template <class F>
void ForEachRecord(std::istream& log, F record) {
  std::string block(kWalBlockBytes, '\0');
  std::string parts;
  bool begun = false;  // `parts` is a record's, from its first fragment on.
  while (log) {
    log.read(block.data(), kWalBlockBytes);
    absl::string_view rest(block.data(), static_cast<size_t>(log.gcount()));
    while (const auto fragment = FirstFragment(rest)) {
      rest.remove_prefix(fragment->size());
      if (!fragment->is_whole) {
        begun = false;
      } else if (fragment->type == WalFragment::kFull) {
        record(fragment->bytes);
        begun = false;
      } else if (fragment->type == WalFragment::kFirst) {
        parts.assign(fragment->bytes.data(), fragment->bytes.size());
        begun = true;
      } else if (begun) {
        parts.append(fragment->bytes.data(), fragment->bytes.size());
        if (fragment->type == WalFragment::kLast) {
          record(absl::string_view(parts));
          begun = false;
        }
      }
    }
    // Damage, if it is not the block's end: the next block may be good.
    if (rest.size() >= kWalHeaderBytes) begun = false;
  }
}

}  // namespace

std::string EncodeSyncedClaim(uint64_t sequence) {
  std::string blob;
  base::AppendU32(blob, kMagic);
  base::AppendU64(blob, sequence);
  return blob;
}

std::optional<uint64_t> DecodeSyncedClaim(absl::string_view blob) {
  base::Reader reader(blob);
  const uint32_t magic = reader.U32();
  const uint64_t sequence = reader.U64();
  if (!reader.done() || magic != kMagic) return std::nullopt;
  return sequence;
}

uint64_t HighestSyncedClaim(const std::string& directory) {
  ClaimFinder finder;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".log") continue;
    std::ifstream log(entry.path(), std::ios::binary);
    ForEachRecord(log, [&finder](absl::string_view bytes) {
      const rocksdb::WriteBatch batch(std::string(bytes.data(), bytes.size()));
      batch.Iterate(&finder).PermitUncheckedError();
    });
  }
  return finder.highest;
}

}  // namespace storage
