#include "storage/io_hooks.h"

#include "absl/strings/match.h"
#include "base/check.h"

namespace storage {

absl::string_view FileKindName(FileKind kind) {
  switch (kind) {
    case FileKind::kLog:
      return "log";
    case FileKind::kManifest:
      return "manifest";
    case FileKind::kTable:
      return "table";
    case FileKind::kOther:
      return "other";
  }
  LOG(FATAL) << "file kind " << static_cast<int>(kind);
}

absl::string_view IoCallName(IoCall call) {
  switch (call) {
    case IoCall::kCreate:
      return "create";
    case IoCall::kAppend:
      return "append";
    case IoCall::kSync:
      return "sync";
    case IoCall::kClose:
      return "close";
    case IoCall::kRename:
      return "rename";
    case IoCall::kDelete:
      return "delete";
    case IoCall::kSyncDirectory:
      return "directory sync";
  }
  LOG(FATAL) << "call " << static_cast<int>(call);
}

FileKind FileKindOf(absl::string_view path) {
  const absl::string_view name = path.substr(path.rfind('/') + 1);
  if (absl::EndsWith(name, ".log")) return FileKind::kLog;
  if (absl::EndsWith(name, ".sst")) return FileKind::kTable;
  if (absl::StartsWith(name, "MANIFEST-") || name == "CURRENT") {
    return FileKind::kManifest;
  }
  if (absl::EndsWith(name, ".dbtmp") && !absl::StartsWith(name, "OPTIONS-")) {
    return FileKind::kManifest;
  }
  return FileKind::kOther;
}

}  // namespace storage
