#include "storage/crash_model.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace storage {
namespace {

std::string ReadPrefix(const std::string& path, uint64_t size) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  CHECK_EQ(static_cast<uint64_t>(in.gcount()), size) << path;
  return bytes;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  CHECK(out.flush().good()) << path;
}

// The length of the file arrived, but one of its unsynced sectors did not.
void Perforate(std::string& bytes, uint64_t synced, base::Random& random) {
  if (bytes.size() <= synced) return;
  const uint64_t begin = random.Between(synced, bytes.size() - 1);
  const uint64_t end = std::min<uint64_t>(bytes.size(), (begin | 511) + 1);
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin),
            bytes.begin() + static_cast<ptrdiff_t>(end), '\0');
}

// The file has the length that was allocated, and its bytes did not arrive.
void Lengthen(std::string& bytes, base::Random& random) {
  bytes.resize(bytes.size() + random.Below(100 << 10), '\0');
}

// How much of a file's unsynced tail a power cut leaves.
uint64_t Surviving(uint64_t size, uint64_t synced, base::Random& random) {
  switch (random.Below(3)) {
    case 0:
      return synced;
    case 1:
      return size;
    default:
      return random.Between(synced, size);
  }
}

}  // namespace

CrashModel::CrashModel(std::string graveyard)
    : graveyard_(std::move(graveyard)) {
  CHECK(std::filesystem::create_directories(graveyard_)) << graveyard_;
}

CrashModel::~CrashModel() { std::filesystem::remove_all(graveyard_); }

void CrashModel::Adopt(const std::string& directory) {
  base::MutexLock lock(mu_);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    auto file = std::make_shared<File>();
    file->content = entry.path().string();
    file->size = file->synced_size = entry.file_size();
    names_[file->content] = durable_names_[file->content] = file;
  }
}

void CrashModel::CutPowerAt(uint64_t nth) {
  base::MutexLock lock(mu_);
  cut_at_ = calls_ + nth;
}

void CrashModel::FailAt(uint64_t nth, IoFault fault,
                        std::function<bool(const IoEvent&)> matches) {
  base::MutexLock lock(mu_);
  fail_in_ = nth;
  fault_ = fault;
  matches_ = std::move(matches);
}

bool CrashModel::fired() const {
  base::MutexLock lock(mu_);
  return !fired_on_.empty();
}

std::string CrashModel::fired_on() const {
  base::MutexLock lock(mu_);
  return fired_on_;
}

uint64_t CrashModel::calls() const {
  base::MutexLock lock(mu_);
  return calls_;
}

IoFault CrashModel::Before(const IoEvent& event) {
  base::MutexLock lock(mu_);
  ++calls_;
  if (dead_) return IoFault::kIoError;
  if (calls_ == cut_at_) {
    dead_ = true;
    fired_on_ =
        absl::StrCat(IoCallName(event.call), " of ", FileKindName(event.file));
    // Half of what was being written may have arrived.
    return IoFault::kShortWrite;
  }
  if (fail_in_ > 0 && matches_(event) && --fail_in_ == 0) {
    fired_on_ =
        absl::StrCat(IoCallName(event.call), " of ", FileKindName(event.file));
    return fault_;
  }
  if (event.call == IoCall::kDelete) Bury(std::string(event.path));
  if (event.call == IoCall::kRename) Bury(std::string(event.target));
  return IoFault::kNone;
}

void CrashModel::Bury(const std::string& path) {
  const auto found = names_.find(path);
  if (found == names_.end()) return;
  const std::string grave = absl::StrCat(graveyard_, "/", ++buried_);
  std::filesystem::create_hard_link(path, grave);
  found->second->content = grave;
}

void CrashModel::Apply(const NameChange& change, Names& names) {
  switch (change.call) {
    case IoCall::kCreate:
      names[change.path] = change.file;
      return;
    case IoCall::kRename:
      names[change.target] = names[change.path];
      names.erase(change.path);
      return;
    case IoCall::kDelete:
      names.erase(change.path);
      return;
    default:
      LOG(FATAL) << "no change of names: " << IoCallName(change.call);
  }
}

void CrashModel::After(const IoEvent& event, size_t bytes) {
  base::MutexLock lock(mu_);
  const std::string path(event.path);
  switch (event.call) {
    case IoCall::kAppend:
      names_.at(path)->size += bytes;
      return;
    case IoCall::kSync:
      names_.at(path)->synced_size = names_.at(path)->size;
      return;
    case IoCall::kClose:
      return;
    case IoCall::kSyncDirectory:
      durable_names_ = names_;
      changes_.clear();
      return;
    case IoCall::kCreate:
    case IoCall::kRename:
    case IoCall::kDelete: {
      NameChange change{.call = event.call,
                        .path = path,
                        .target = std::string(event.target)};
      if (event.call == IoCall::kCreate) {
        change.file = std::make_shared<File>();
        change.file->content = path;
      }
      Apply(change, names_);
      if (event.call == IoCall::kRename) {
        names_.at(change.target)->content = change.target;
      }
      changes_.push_back(std::move(change));
      return;
    }
  }
}

void CrashModel::WriteCrashImage(const std::string& from, const std::string& to,
                                 base::Random& random) const {
  base::MutexLock lock(mu_);
  // A journal keeps the order of names, so a prefix of the changes survives.
  Names names = durable_names_;
  const uint64_t kept = random.Below(changes_.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) Apply(changes_[i], names);

  std::filesystem::create_directories(to);
  for (const auto& [path, file] : names) {
    CHECK(path.compare(0, from.size(), from) == 0) << path;
    const uint64_t size = Surviving(file->size, file->synced_size, random);
    std::string bytes = ReadPrefix(file->content, size);
    // Of logs alone: RocksDB refuses a MANIFEST with a hole in its tail, which
    // needs a power cut within one sync of a few hundred bytes.
    if (FileKindOf(path) == FileKind::kLog && random.OneIn(3)) {
      Perforate(bytes, file->synced_size, random);
    }
    if (FileKindOf(path) == FileKind::kLog && random.OneIn(2)) {
      Lengthen(bytes, random);
    }
    WriteFile(to + path.substr(from.size()), bytes);
  }
}

}  // namespace storage
