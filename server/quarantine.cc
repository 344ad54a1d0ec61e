#include "server/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/hash.h"

namespace server {
namespace {

// Replaces `path`, durably, or leaves it as it is.
absl::Status ReplaceFile(const std::string& path, const std::string& bytes) {
  const std::string next = absl::StrCat(path, ".next");
  const int fd =
      open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, next);
  const bool written = write(fd, bytes.data(), bytes.size()) ==
                           static_cast<ssize_t>(bytes.size()) &&
                       fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (!written) return absl::ErrnoToStatus(error, next);
  if (rename(next.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  const std::string directory = path.substr(0, path.rfind('/'));
  const int parent = open(directory.c_str(), O_RDONLY | O_DIRECTORY);
  if (parent < 0) return absl::ErrnoToStatus(errno, directory);
  const bool synced = fsync(parent) == 0;
  close(parent);
  return synced ? absl::OkStatus() : absl::ErrnoToStatus(errno, directory);
}

}  // namespace

std::unique_ptr<Quarantine> Quarantine::Open(const std::string& data_dir,
                                             uint64_t binary) {
  const std::string notes = absl::StrCat(data_dir, "/crash");
  std::unique_ptr<Quarantine> quarantine(
      new Quarantine(absl::StrCat(data_dir, "/quarantine")));
  {
    base::MutexLock lock(quarantine->mu_);
    quarantine->ReadLocked();
    // Another binary may do better.
    std::erase_if(quarantine->held_, [&](const auto& held) {
      return held.second.binary != binary;
    });
    const std::optional<base::CrashNote> note = base::ReadCrashNote(notes);
    if (note.has_value()) quarantine->FoundLocked(*note, binary);
    // Before the note is gone.
    if (note.has_value() || quarantine->ran_ != binary) {
      quarantine->ran_ = binary;
      if (absl::Status status = quarantine->WriteLocked(); !status.ok()) {
        LOG(ERROR) << "what the last process died of is not noted: " << status;
      }
    }
  }
  if (absl::Status status = base::KeepCrashNotes(notes); !status.ok()) {
    LOG(ERROR) << "no note will be left of a crash: " << status;
  }
  return quarantine;
}

void Quarantine::FoundLocked(const base::CrashNote& note, uint64_t binary) {
  LOG(ERROR) << "the last process died while it applied entry " << note.index
             << " of partition " << note.partition;
  const bool again = last_.has_value() && last_->first == note.partition &&
                     last_->second.index == note.index &&
                     last_->second.binary == ran_;
  const Mark mark{.index = note.index, .binary = ran_};
  if (!again) {
    last_ = {note.partition, mark};
    return;
  }
  last_.reset();
  if (ran_ == binary) held_[note.partition] = mark;
}

std::map<base::PartitionId, raft::Index> Quarantine::held() const {
  base::MutexLock lock(mu_);
  std::map<base::PartitionId, raft::Index> held;
  for (const auto& [partition, mark] : held_) {
    held[base::PartitionId(partition)] = raft::Index(mark.index);
  }
  return held;
}

void Quarantine::Release(base::PartitionId partition) {
  base::MutexLock lock(mu_);
  if (held_.erase(partition.value()) == 0) return;
  last_.reset();
  if (absl::Status status = WriteLocked(); !status.ok()) {
    // At the next start it is held again, and can be resumed again.
    LOG(ERROR) << "cannot note that partition " << partition
               << " is resumed: " << status;
  }
}

void Quarantine::ReadLocked() {
  std::ifstream file(path_);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string kind;
    uint32_t partition = 0;
    Mark mark;
    if (!(words >> kind >> partition >> mark.index >> mark.binary)) continue;
    if (kind == "ran") ran_ = mark.binary;
    if (kind == "held") held_[partition] = mark;
    if (kind == "last") last_ = {partition, mark};
  }
}

absl::Status Quarantine::WriteLocked() {
  std::string text;
  const auto add = [&](const char* kind, uint32_t partition, const Mark& mark) {
    absl::StrAppend(&text, kind, " ", partition, " ", mark.index, " ",
                    mark.binary, "\n");
  };
  add("ran", 0, {.binary = ran_});
  if (last_.has_value()) add("last", last_->first, last_->second);
  for (const auto& [partition, mark] : held_) add("held", partition, mark);
  return ReplaceFile(path_, text);
}

uint64_t BinaryFingerprint() {
  struct stat info;
  if (stat("/proc/self/exe", &info) != 0) return 0;
  return base::Hash64(absl::StrCat(info.st_size, " ", info.st_mtim.tv_sec, " ",
                                   info.st_mtim.tv_nsec));
}

}  // namespace server
