#include "storage/wal_tail.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "storage/wal_fragment.h"

namespace storage {
namespace {

constexpr uint64_t kChunkBytes = 1 << 20;

// The block in which the last byte of the log that is not zero lies, and where
// that is.
struct LastBlock {
  uint64_t begin = 0;
  std::string bytes;
  size_t written = 0;  // Of `bytes`, up to the last that is not zero.
};

bool Read(std::ifstream& log, uint64_t begin, uint64_t end,
          std::string& bytes) {
  bytes.resize(end - begin);
  log.seekg(static_cast<std::streamoff>(begin));
  log.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return static_cast<uint64_t>(log.gcount()) == bytes.size();
}

// None: it cannot be read.
std::optional<LastBlock> FindLastBlock(std::ifstream& log, uint64_t size) {
  const std::string zeros(kChunkBytes, '\0');
  std::string chunk;
  uint64_t end = size;
  while (end > 0) {
    const uint64_t begin = (end - 1) / kChunkBytes * kChunkBytes;
    if (!Read(log, begin, end, chunk)) return std::nullopt;
    if (chunk != absl::string_view(zeros).substr(0, chunk.size())) {
      const uint64_t last = begin + chunk.find_last_not_of('\0');
      LastBlock block;
      block.begin = last / kWalBlockBytes * kWalBlockBytes;
      const uint64_t block_end =
          std::min<uint64_t>(size, block.begin + kWalBlockBytes);
      if (!Read(log, block.begin, block_end, block.bytes)) return std::nullopt;
      block.written = last + 1 - block.begin;
      return block;
    }
    end = begin;
  }
  return LastBlock();
}

// Up to where the block is kept: a whole fragment may end with zeros.
size_t Keep(const LastBlock& block) {
  const absl::string_view bytes(block.bytes);
  size_t at = 0;
  while (at < block.written) {
    const auto fragment = FirstFragment(bytes.substr(at));
    if (!fragment.has_value()) break;
    at += fragment->size();
    if (at >= block.written) return fragment->is_whole ? at : block.written;
  }
  return block.written;
}

absl::Status CutUnwrittenTail(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return absl::DataLossError(absl::StrCat("cannot read ", path));
  std::ifstream log(path, std::ios::binary);
  const auto block = FindLastBlock(log, size);
  if (!block.has_value()) {
    return absl::DataLossError(absl::StrCat("cannot read ", path));
  }
  const uint64_t kept = block->begin + Keep(*block);
  if (kept == size) return absl::OkStatus();
  std::filesystem::resize_file(path, kept, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot cut ", path, ": ", error.message()));
}

}  // namespace

absl::Status CutUnwrittenTails(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  // No directory: a new database.
  if (error) return absl::OkStatus();
  for (const auto& entry : entries) {
    if (entry.path().extension() != ".log") continue;
    const absl::Status status = CutUnwrittenTail(entry.path().string());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace storage
