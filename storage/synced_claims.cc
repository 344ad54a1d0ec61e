// Do not change: on disk. A claim is
//
//   magic u32 ("mrsy"), sequence u64
//
// big-endian, as log data (WriteBatch::PutLogData) of a batch. RocksDB's logs
// are blocks of 32 KiB; in them, little-endian, fragments of records:
//
//   masked crc32c of type and bytes u32, length u16, type u8
//   (1 the whole record, 2 its first, 3 a middle, 4 its last fragment), bytes

#include "storage/synced_claims.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "base/coding.h"
#include "base/crc32c.h"
#include "rocksdb/write_batch.h"
#include "storage/rocks_status.h"

namespace storage {
namespace {

constexpr uint32_t kMagic = 0x6d727379;  // "mrsy"
constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;

enum Fragment : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

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

uint32_t LittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

uint32_t Unmask(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return rotated >> 17 | rotated << 15;
}

// Calls `record` for each whole record of the log.
template <class F>
void ForEachRecord(std::istream& log, F record) {
  std::string block(kBlockBytes, '\0');
  std::string parts;
  bool begun = false;  // `parts` is a record's, from its first fragment on.
  while (log) {
    log.read(block.data(), kBlockBytes);
    absl::string_view rest(block.data(), static_cast<size_t>(log.gcount()));
    while (rest.size() >= kHeaderBytes) {
      const size_t size = LittleEndian(rest.substr(4, 2));
      const auto type = static_cast<uint8_t>(rest[6]);
      // Nothing, or damaged: the next block may be good.
      if (type == 0 || kHeaderBytes + size > rest.size()) {
        begun = false;
        break;
      }
      const uint32_t crc = Unmask(LittleEndian(rest.substr(0, 4)));
      const bool good = crc == base::Crc32c(rest.substr(6, 1 + size));
      const absl::string_view bytes = rest.substr(kHeaderBytes, size);
      rest.remove_prefix(kHeaderBytes + size);
      if (!good || type > kLast) {
        begun = false;
      } else if (type == kFull) {
        record(bytes);
        begun = false;
      } else if (type == kFirst) {
        parts.assign(bytes.data(), bytes.size());
        begun = true;
      } else if (begun) {
        parts.append(bytes.data(), bytes.size());
        if (type == kLast) {
          record(absl::string_view(parts));
          begun = false;
        }
      }
    }
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
