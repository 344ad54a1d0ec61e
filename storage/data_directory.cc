#include "storage/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/random.h"
#include "base/status_macros.h"

namespace storage {
namespace {

constexpr absl::string_view kRejoin =
    "keep it for now. If the other nodes have a majority, start this node with "
    "an empty directory and --join, and replace it by itself (multiraftctl "
    "member replace N N ADDRESS); if they have not, see \"recover\" in "
    "docs/operations.md; a node that is alone needs a backup";

absl::Status Errno(absl::string_view what, const std::string& path) {
  const std::string message =
      absl::StrCat(what, " ", path, ": ", std::strerror(errno));
  if (errno == EACCES || errno == EROFS || errno == ENOTDIR) {
    return absl::FailedPreconditionError(message);
  }
  return absl::UnavailableError(message);
}

absl::Status MakeDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot make data directory ", path, ": ", error.message()));
  }
  return absl::OkStatus();
}

// New names in a directory are durable only when it is synced (P33).
absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Errno("cannot open", path);
  const int result = fsync(fd);
  const absl::Status status =
      result == 0 ? absl::OkStatus() : Errno("cannot sync", path);
  close(fd);
  return status;
}

std::string ParentOf(const std::string& path) {
  // Without a slash at the end, which would make it its own parent.
  const std::filesystem::path absolute =
      std::filesystem::absolute(path + "/.").lexically_normal();
  return absolute.parent_path().parent_path().string();
}

// The lock goes with the process, so a killed one leaves nothing behind.
absl::StatusOr<int> Lock(const std::string& directory) {
  const std::string path = directory + "/LOCK";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Errno("cannot open", path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char owner[32];
    const ssize_t size = pread(fd, owner, sizeof(owner), 0);
    close(fd);
    const absl::string_view pid =
        absl::StripSuffix(absl::string_view(owner, size < 0 ? 0 : size), "\n");
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", directory, " is in use by process ",
                     pid.empty() ? "(unknown)" : pid));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) !=
                                   static_cast<ssize_t>(pid.size())) {
    const absl::Status error = Errno("cannot write", path);
    // On a full disk the lock still holds; only its owner stays unnamed.
    if (errno != ENOSPC) {
      close(fd);
      return error;
    }
  }
  return fd;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

// Names the run of the kernel; empty: it does not say.
std::string BootId() { return ReadAll("/proc/sys/kernel/random/boot_id"); }

template <class T>
absl::Status CheckSame(const std::string& path, absl::string_view what,
                       const T& stored, const T& wanted) {
  if (stored == wanted) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("data directory ", path,
                                                    " belongs to ", what, " ",
                                                    stored, ", not ", wanted));
}

std::string Quoted(const std::string& name) {
  return absl::StrCat("\"", name, "\"");
}

absl::Status CheckDataFormat(const std::string& path, Database& database) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   database.Get(Family::kMeta, DataFormatKey()));
  if (!value.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint32_t format, DecodeDataFormat(*value));
  if (format > kDataFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", path, " has data format ", format,
                     ", and this binary knows formats up to ", kDataFormat,
                     ": start a newer one"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(
    const std::string& path) {
  RETURN_IF_ERROR(MakeDirectory(path));
  ASSIGN_OR_RETURN(const int lock_fd, Lock(path));
  auto directory =
      std::unique_ptr<DataDirectory>(new DataDirectory(path, lock_fd));
  RETURN_IF_ERROR(MakeDirectory(directory->database_path()));

  // The watermark is there, durably, before the database begins.
  ASSIGN_OR_RETURN(directory->watermark_, Watermark::Open(path + "/watermark"));
  const bool database_exists =
      std::filesystem::exists(directory->database_path() + "/CURRENT");
  if (directory->watermark_->created() && database_exists) {
    return absl::DataLossError(absl::StrCat(
        "data directory ", path,
        " has a database but its watermark file is gone; ", kRejoin));
  }
  if (directory->watermark_->opened_at().sequence > 0 && !database_exists) {
    return absl::DataLossError(
        absl::StrCat("data directory ", path, " has lost its database in ",
                     directory->database_path(), "; ", kRejoin));
  }
  RETURN_IF_ERROR(SyncDirectory(path));
  RETURN_IF_ERROR(SyncDirectory(ParentOf(path)));
  return directory;
}

DataDirectory::~DataDirectory() { close(lock_fd_); }

bool DataDirectory::HasDatabase(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path + "/db/CURRENT", error);
}

bool DataDirectory::same_boot() const {
  const std::string boot = BootId();
  return !boot.empty() && ReadAll(path_ + "/boot") == boot;
}

// Lost or torn, it is another boot's: that is only more careful.
void DataDirectory::NoteOpened() const {
  std::ofstream(path_ + "/boot", std::ios::trunc) << BootId();
}

absl::Status DataDirectory::CheckWatermark(const Database& database) const {
  const uint64_t found = database.latest_sequence();
  const Watermark::Mark& acknowledged = watermark_->opened_at();
  if (found >= acknowledged.sequence) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "data directory ", path_, " has lost acknowledged writes: its database ",
      "ends at sequence number ", found, " and had acknowledged ",
      acknowledged.sequence, ", the last of it in ",
      LogPath(database_path(), acknowledged.log),
      ", which was cut or is gone; ", kRejoin));
}

absl::StatusOr<Identity> DataDirectory::Claim(Database& database,
                                              const Identity& wanted) const {
  RETURN_IF_ERROR(CheckDataFormat(path_, database));
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   database.Get(Family::kMeta, IdentityKey()));
  if (!value.has_value() && wanted.mode.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", path_, " has no data"));
  }
  if (!value.has_value()) {
    Identity drawn = wanted;
    drawn.incarnation = base::SecureSeed();
    DatabaseBatch batch = database.NewBatch();
    batch.Put(Family::kMeta, DataFormatKey(), EncodeDataFormat(kDataFormat),
              absl::string_view());
    batch.Put(Family::kMeta, IdentityKey(), EncodeIdentity(drawn),
              absl::string_view());
    RETURN_IF_ERROR(database.Write(batch, Database::Durability::kSynced));
    return drawn;
  }
  ASSIGN_OR_RETURN(Identity stored, DecodeIdentity(*value));
  if (wanted.mode.empty()) return stored;
  RETURN_IF_ERROR(CheckSame(path_, "cluster", Quoted(stored.cluster),
                            Quoted(wanted.cluster)));
  if (wanted.node != base::NodeId{}) {
    RETURN_IF_ERROR(
        CheckSame(path_, "node", stored.node.value(), wanted.node.value()));
  }
  RETURN_IF_ERROR(
      CheckSame(path_, "mode", Quoted(stored.mode), Quoted(wanted.mode)));
  if (wanted.partitions != 0 && stored.partitions != wanted.partitions) {
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", path_, " was made for ",
                     stored.partitions, " partitions, not ", wanted.partitions,
                     ": clients hash modulo the number, so it never changes"));
  }
  return stored;
}

}  // namespace storage
