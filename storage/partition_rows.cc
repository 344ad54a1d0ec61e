#include "storage/partition_rows.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/records.h"

namespace storage {
namespace {

using raft::Index;

// Above this many rows a conflicting suffix goes by one range: a range
// tombstone costs every later read a little, a point delete only its own.
constexpr uint64_t kPointDeletesMax = 64;

absl::Status Annotate(const absl::Status& status, base::PartitionId partition) {
  return absl::Status(
      status.code(),
      absl::StrCat("partition ", partition.value(), ": ", status.message()));
}

absl::Status Annotate(const absl::Status& status, base::PartitionId partition,
                      Index index) {
  return absl::Status(status.code(),
                      absl::StrCat("partition ", partition.value(), ", index ",
                                   index.value(), ": ", status.message()));
}

// Deletes the rows (write's last, extent.last] that the write conflicts with.
void EncodeTruncation(base::PartitionId partition, Index last, Index old_last,
                      KeyValueSink& sink) {
  if (old_last <= last) return;
  if (old_last - last > kPointDeletesMax) {
    sink.DeleteRange(Family::kLog, LogKey(partition, last + 1),
                     LogKey(partition, old_last + 1));
    return;
  }
  for (Index index = last + 1; index <= old_last; ++index) {
    sink.Delete(Family::kLog, LogKey(partition, index));
  }
}

void EncodeEntries(const LogWrite& write, Extent& extent, KeyValueSink& sink) {
  const Index front = write.entries.front().index;
  CHECK(front >= extent.first) << "partition " << write.partition << ": entry "
                               << front << " below the log's " << extent.first;
  CHECK(front <= extent.last + 1)
      << "partition " << write.partition << ": entry " << front
      << " leaves a hole behind " << extent.last;
  Index next = front;
  for (const raft::Entry& entry : write.entries) {
    CHECK_EQ(entry.index, next) << "partition " << write.partition;
    sink.Put(Family::kLog, LogKey(write.partition, entry.index),
             EncodeEntryHead(entry), entry.bytes());
    ++next;
  }
  const Index last = write.entries.back().index;
  EncodeTruncation(write.partition, last, extent.last, sink);
  extent.last = last;
}

void EncodePointer(const LogWrite& write, Extent& extent, KeyValueSink& sink) {
  const ImagePointer& image = *write.image;
  CHECK(image.position.index >= extent.image)
      << "partition " << write.partition << ": image at "
      << image.position.index << " behind the one at " << extent.image;
  CHECK_GE(image.generation, extent.generation)
      << "partition " << write.partition;
  sink.Put(Family::kMeta, ImagePointerKey(write.partition),
           EncodeImagePointer(image), absl::string_view());
  if (image.generation == extent.generation) {
    // An image made here is queued behind the entries in it (D1).
    CHECK(image.position.index <= extent.last)
        << "partition " << write.partition << ": image at "
        << image.position.index << " with a log up to " << extent.last;
  } else {
    // An installed image replaces every older generation, in the same batch.
    CHECK(write.entries.empty()) << "partition " << write.partition;
    sink.DeleteRange(Family::kImage, ImageBegin(write.partition, 0),
                     ImageBegin(write.partition, image.generation));
  }
  if (write.keeps_log) {
    CHECK(image.position.index <= extent.last &&
          image.position.index + 1 >= extent.first)
        << "partition " << write.partition << ": image at "
        << image.position.index << " keeps a log of " << extent.first << " to "
        << extent.last;
  } else if (image.generation != extent.generation) {
    // And the whole log. Its followers are not ours: no suffix is kept (P38).
    sink.DeleteRange(Family::kLog, LogKey(write.partition, Index{0}),
                     LogEnd(write.partition));
    extent.first = image.position.index + 1;
    extent.last = image.position.index;
  }
  extent.image = image.position.index;
  extent.generation = image.generation;
}

void EncodeTrim(const LogWrite& write, Extent& extent, KeyValueSink& sink) {
  const Index below = *write.trim_below;
  CHECK(below <= extent.image + 1)
      << "partition " << write.partition << ": trim below " << below
      << " with an image at " << extent.image;
  if (below <= extent.first) return;
  sink.DeleteRange(Family::kLog, LogKey(write.partition, extent.first),
                   LogKey(write.partition, below));
  extent.first = below;
  extent.last = std::max(extent.last, below - 1);
}

absl::StatusOr<ImagePointer> ReadPointer(KeyValueView& view,
                                         base::PartitionId partition) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   view.Get(Family::kMeta, ImagePointerKey(partition)));
  if (!value.has_value()) {
    return absl::NotFoundError(
        absl::StrCat("partition ", partition.value(), " is not on this disk"));
  }
  absl::StatusOr<ImagePointer> pointer = DecodeImagePointer(*value);
  if (!pointer.ok()) return Annotate(pointer.status(), partition);
  return pointer;
}

absl::StatusOr<raft::HardState> ReadHardState(KeyValueView& view,
                                              base::PartitionId partition) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   view.Get(Family::kMeta, HardStateKey(partition)));
  if (!value.has_value()) return raft::HardState();
  absl::StatusOr<raft::HardState> hard_state = DecodeHardState(*value);
  if (!hard_state.ok()) return Annotate(hard_state.status(), partition);
  return hard_state;
}

absl::StatusOr<raft::ReplicaId> ReadReplica(KeyValueView& view,
                                            base::PartitionId partition) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   view.Get(Family::kMeta, ReplicaKey(partition)));
  if (!value.has_value()) return raft::ReplicaId{0};
  const absl::StatusOr<ReplicaRecord> record = DecodeReplica(*value);
  if (!record.ok()) return Annotate(record.status(), partition);
  return record->replica;
}

std::unique_ptr<Cursor> LogCursor(KeyValueView& view,
                                  base::PartitionId partition) {
  return view.NewCursor(Family::kLog, LogKey(partition, Index{0}),
                        LogEnd(partition));
}

// Stands for a tombstone that cannot be read: none of them may come back (P45).
constexpr raft::ReplicaId kAllReplicas{
    std::numeric_limits<raft::ReplicaId::value_type>::max()};

// What is damaged, or of a newer format, puts its partition out of service; the
// others go on.
bool IsOfOnePartition(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status);
}

absl::StatusOr<Extent> ExtentOf(KeyValueView& view, base::PartitionId partition,
                                const ImagePointer& pointer) {
  Extent extent{.first = pointer.position.index + 1,
                .last = pointer.position.index,
                .image = pointer.position.index,
                .generation = pointer.generation};
  std::unique_ptr<Cursor> log = LogCursor(view, partition);
  log->Seek(LogKey(partition, Index{0}));
  if (log->valid()) {
    extent.first = std::min(extent.first, IndexOfLogKey(log->key()));
    log->SeekForPrev(LogEnd(partition));
    if (log->valid()) {
      extent.last = std::max(extent.last, IndexOfLogKey(log->key()));
    }
  }
  if (!log->status().ok()) return Annotate(log->status(), partition);
  return extent;
}

absl::StatusOr<Extent> ReadExtent(KeyValueView& view,
                                  base::PartitionId partition,
                                  absl::string_view pointer_bytes) {
  const absl::StatusOr<ImagePointer> pointer =
      DecodeImagePointer(pointer_bytes);
  if (!pointer.ok()) return Annotate(pointer.status(), partition);
  return ExtentOf(view, partition, *pointer);
}

absl::StatusOr<raft::Entry> DecodeAt(const Cursor& cursor,
                                     base::PartitionId partition) {
  const Index index = IndexOfLogKey(cursor.key());
  absl::StatusOr<raft::Entry> entry = DecodeEntry(index, cursor.value());
  if (!entry.ok()) return Annotate(entry.status(), partition, index);
  return entry;
}

// The entry under `cursor`, which must follow `previous`.
absl::StatusOr<raft::Entry> DecodeNext(const Cursor& cursor,
                                       base::PartitionId partition,
                                       const raft::Position& previous) {
  const Index expected = previous.index + 1;
  const Index index = IndexOfLogKey(cursor.key());
  if (index != expected) {
    return Annotate(absl::DataLossError(absl::StrCat(
                        "the log has a hole up to ", index.value())),
                    partition, expected);
  }
  ASSIGN_OR_RETURN(raft::Entry entry, DecodeAt(cursor, partition));
  if (entry.chain != raft::ChainOf(previous.chain, partition, entry)) {
    return Annotate(
        absl::DataLossError("the chain does not fit the entry before"),
        partition, index);
  }
  return entry;
}

// About how many entries are behind `index`: as many as there are if the log
// has no hole. Never more than make sense to reserve room for.
size_t CountBehind(Cursor& cursor, base::PartitionId partition, Index index) {
  constexpr uint64_t kCountMax = 1 << 20;
  cursor.SeekForPrev(LogKey(partition, Index{UINT64_MAX}));
  if (!cursor.valid()) return 0;
  const Index last = IndexOfLogKey(cursor.key());
  return last <= index ? 0 : std::min(last - index, kCountMax);
}

// The first index of the log in front of the image: the first row, if the rows
// lead up to the image, and else (after an install) none is of use.
absl::StatusOr<Index> ReadFirstIndex(Cursor& cursor,
                                     base::PartitionId partition,
                                     const raft::Position& image) {
  const Index behind = image.index + 1;
  if (image.index == Index{0}) return behind;
  cursor.Seek(LogKey(partition, image.index));
  RETURN_IF_ERROR(cursor.status());
  if (!cursor.valid() || IndexOfLogKey(cursor.key()) != image.index) {
    return behind;
  }
  ASSIGN_OR_RETURN(const raft::Entry entry, DecodeAt(cursor, partition));
  if (raft::PositionOf(entry) != image) return behind;
  cursor.Seek(LogKey(partition, Index{0}));
  RETURN_IF_ERROR(cursor.status());
  return IndexOfLogKey(cursor.key());
}

// Shows, of each row, the newest version not above the pointer's checkpoint.
class RowReader : public ImageReader {
 public:
  RowReader(base::PartitionId partition, ImagePointer pointer,
            std::unique_ptr<Cursor> cursor, bool has_unfinished_install)
      : partition_(partition),
        pointer_(std::move(pointer)),
        has_unfinished_install_(has_unfinished_install),
        cursor_(std::move(cursor)) {}

  const ImagePointer& pointer() const override { return pointer_; }
  bool has_unfinished_install() const override {
    return has_unfinished_install_;
  }

  void Seek(const ImageRowId& after) override {
    // No version is above this one, which no checkpoint has.
    cursor_->Seek(ImageKey(partition_, pointer_.generation, after.table,
                           after.key, UINT64_MAX));
  }

  bool at_end() const override { return !cursor_->valid(); }

  absl::StatusOr<std::vector<ImageRow>> Next(size_t bytes_max) override {
    std::vector<ImageRow> rows;
    size_t bytes = 0;
    while (cursor_->valid() && (rows.empty() || bytes < bytes_max)) {
      ASSIGN_OR_RETURN(std::vector<ImageRow> versions, NextVersions());
      if (versions.empty()) continue;
      ImageRow newest = std::move(versions.back());
      versions.pop_back();
      for (const ImageRow& replaced : versions) Drop(replaced);
      if (newest.erased) {
        Drop(newest);
        continue;
      }
      bytes += newest.key.size() + newest.value.size();
      rows.push_back(std::move(newest));
    }
    RETURN_IF_ERROR(cursor_->status());
    return rows;
  }

  std::vector<ObsoleteRow> TakeObsolete() override {
    return std::exchange(obsolete_, {});
  }

 private:
  // The versions of the row under the cursor that the image may show, oldest
  // first, leaving the cursor on the next row.
  absl::StatusOr<std::vector<ImageRow>> NextVersions() {
    std::vector<ImageRow> versions;
    const std::string row_key(RowKeyOf(cursor_->key()));
    for (; cursor_->valid() && RowKeyOf(cursor_->key()) == row_key;
         cursor_->Next()) {
      absl::StatusOr<ImageRow> row =
          DecodeImageRow(cursor_->key(), cursor_->value());
      if (!row.ok()) return Annotate(row.status(), partition_);
      if (row->checkpoint > pointer_.checkpoint) {
        Drop(*row);
      } else {
        versions.push_back(*std::move(row));
      }
    }
    return versions;
  }

  // A key without its checkpoint.
  static absl::string_view RowKeyOf(absl::string_view key) {
    return key.substr(0, key.size() - std::min<size_t>(key.size(), 8));
  }

  // Older versions come before an erased one: handed back and deleted in this
  // order, a crash in between brings nothing back.
  void Drop(const ImageRow& row) {
    obsolete_.push_back(
        {.table = row.table, .key = row.key, .checkpoint = row.checkpoint});
  }

  const base::PartitionId partition_;
  const ImagePointer pointer_;
  const bool has_unfinished_install_;
  const std::unique_ptr<Cursor> cursor_;
  std::vector<ObsoleteRow> obsolete_;
};

}  // namespace

absl::Status CheckCanCreate(base::PartitionId partition,
                            raft::ReplicaId replica, const Extents& extents,
                            const Tombstones& tombstones) {
  if (extents.contains(partition)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "partition ", partition.value(), " is already on this disk"));
  }
  const auto tombstone = tombstones.find(partition);
  if (tombstone == tombstones.end() || replica > tombstone->second) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "partition ", partition.value(), ": replica ", tombstone->second.value(),
      " was dropped here, so ", replica.value(), " cannot be created"));
}

// --- Writing -----------------------------------------------------------------

void EncodeLogWrite(const LogWrite& write, Extent& extent, KeyValueSink& sink) {
  if (write.hard_state.has_value()) {
    sink.Put(Family::kMeta, HardStateKey(write.partition),
             EncodeHardState(*write.hard_state), absl::string_view());
  }
  if (!write.entries.empty()) EncodeEntries(write, extent, sink);
  if (write.image.has_value()) EncodePointer(write, extent, sink);
  if (write.trim_below.has_value()) EncodeTrim(write, extent, sink);
}

Extent EncodeNewPartition(base::PartitionId partition,
                          const raft::Configuration& configuration,
                          KeyValueSink& sink) {
  CHECK(partition != base::PartitionId{0}) << "partition 0 is reserved";
  ImagePointer pointer;
  pointer.configuration = configuration;
  sink.Put(Family::kMeta, ImagePointerKey(partition),
           EncodeImagePointer(pointer), absl::string_view());
  return {.first = Index{1}, .last = Index{0}, .image = Index{0}};
}

Extent EncodeNewReplica(base::PartitionId partition, raft::ReplicaId replica,
                        raft::ReplicaId dropped, KeyValueSink& sink) {
  CHECK(replica > dropped) << "partition " << partition << ": replica "
                           << replica << " was dropped";
  EncodeDrop(partition, dropped, sink);
  sink.Put(Family::kMeta, ReplicaKey(partition),
           EncodeReplica({.replica = replica, .dropped = dropped}),
           absl::string_view());
  return EncodeNewPartition(partition, raft::Configuration(), sink);
}

void EncodeDrop(base::PartitionId partition, raft::ReplicaId dropped,
                KeyValueSink& sink) {
  sink.DeleteRange(Family::kLog, LogKey(partition, Index{0}),
                   LogEnd(partition));
  sink.DeleteRange(Family::kImage, ImageBegin(partition, 0),
                   ImageEnd(partition));
  sink.Delete(Family::kMeta, HardStateKey(partition));
  sink.Delete(Family::kMeta, ImagePointerKey(partition));
  sink.Put(Family::kMeta, ReplicaKey(partition),
           EncodeReplica({.dropped = dropped}), absl::string_view());
}

bool IsComplete(const ImageBatch& batch, const ImageProgress& progress) {
  return progress.cleared == batch.clears_generation &&
         progress.rows == batch.rows.size() &&
         progress.obsolete == batch.obsolete.size() &&
         progress.prefixes == batch.obsolete_prefixes.size();
}

void EncodeImageSlice(const ImageBatch& batch, size_t bytes_max,
                      ImageProgress& progress, KeyValueSink& sink) {
  const base::PartitionId partition = batch.partition;
  const uint64_t generation = batch.generation;
  size_t bytes = 0;
  // True if `more` bytes still fit; the first piece always does.
  auto fits = [&](size_t more) {
    if (bytes > 0 && bytes + more > bytes_max) return false;
    bytes += more;
    return true;
  };
  if (batch.clears_generation && !progress.cleared) {
    const std::string begin = ImageBegin(partition, generation);
    const std::string end = ImageEnd(partition);
    fits(begin.size() + end.size());
    sink.DeleteRange(Family::kImage, begin, end);
    progress.cleared = true;
  }
  for (; progress.rows < batch.rows.size(); ++progress.rows) {
    const ImageRow& row = batch.rows[progress.rows];
    const std::string key =
        ImageKey(partition, generation, row.table, row.key, row.checkpoint);
    if (!fits(key.size() + row.value.size())) return;
    sink.Put(Family::kImage, key, EncodeImageRowHead(row.erased), row.value);
  }
  for (; progress.obsolete < batch.obsolete.size(); ++progress.obsolete) {
    const ObsoleteRow& row = batch.obsolete[progress.obsolete];
    const std::string key =
        ImageKey(partition, generation, row.table, row.key, row.checkpoint);
    if (!fits(key.size())) return;
    sink.Delete(Family::kImage, key);
  }
  for (; progress.prefixes < batch.obsolete_prefixes.size();
       ++progress.prefixes) {
    const ObsoletePrefix& gone = batch.obsolete_prefixes[progress.prefixes];
    CHECK(!gone.prefix.empty()) << "partition " << partition;
    const std::string begin =
        ImagePrefixBegin(partition, generation, gone.table, gone.prefix);
    const std::string end =
        ImagePrefixEnd(partition, generation, gone.table, gone.prefix);
    if (!fits(begin.size() + end.size())) return;
    sink.DeleteRange(Family::kImage, begin, end);
  }
}

// --- Reading -----------------------------------------------------------------

absl::StatusOr<Extents> ReadExtents(KeyValueView& view) {
  Extents extents;
  std::unique_ptr<Cursor> meta =
      view.NewCursor(Family::kMeta, PartitionKeysBegin(), PartitionKeysEnd());
  for (meta->Seek(PartitionKeysBegin()); meta->valid(); meta->Next()) {
    const base::PartitionId partition = PartitionOfImagePointerKey(meta->key());
    if (partition == base::PartitionId{0}) continue;
    const absl::StatusOr<Extent> extent =
        ReadExtent(view, partition, meta->value());
    if (!extent.ok() && !IsOfOnePartition(extent.status())) {
      return extent.status();
    }
    extents[partition] = extent.value_or(Extent());
  }
  RETURN_IF_ERROR(meta->status());
  return extents;
}

absl::StatusOr<Tombstones> ReadTombstones(KeyValueView& view) {
  Tombstones tombstones;
  std::unique_ptr<Cursor> meta =
      view.NewCursor(Family::kMeta, PartitionKeysBegin(), PartitionKeysEnd());
  for (meta->Seek(PartitionKeysBegin()); meta->valid(); meta->Next()) {
    const base::PartitionId partition = PartitionOfReplicaKey(meta->key());
    if (partition == base::PartitionId{0}) continue;
    const absl::StatusOr<ReplicaRecord> record = DecodeReplica(meta->value());
    if (!record.ok()) {
      LOG(ERROR) << Annotate(record.status(), partition)
                 << ": no replica of it will be made here";
      tombstones[partition] = kAllReplicas;
    } else if (record->dropped != raft::ReplicaId{0}) {
      tombstones[partition] = record->dropped;
    }
  }
  RETURN_IF_ERROR(meta->status());
  return tombstones;
}

absl::StatusOr<StoredPartition> ReadPartition(KeyValueView& view,
                                              base::PartitionId partition) {
  StoredPartition stored{.partition = partition};
  ASSIGN_OR_RETURN(stored.image, ReadPointer(view, partition));
  ASSIGN_OR_RETURN(stored.replica, ReadReplica(view, partition));
  ASSIGN_OR_RETURN(stored.hard_state, ReadHardState(view, partition));
  // The image proves that everything in it was committed (D1).
  stored.hard_state.commit_index =
      std::max(stored.hard_state.commit_index, stored.image.position.index);
  // What ReadExtents could not say.
  RETURN_IF_ERROR(ExtentOf(view, partition, stored.image).status());

  std::unique_ptr<Cursor> cursor = LogCursor(view, partition);
  ASSIGN_OR_RETURN(stored.first_index,
                   ReadFirstIndex(*cursor, partition, stored.image.position));
  raft::Position previous = stored.image.position;
  stored.entries.reserve(CountBehind(*cursor, partition, previous.index));
  for (cursor->Seek(LogKey(partition, previous.index + 1)); cursor->valid();
       cursor->Next()) {
    ASSIGN_OR_RETURN(raft::Entry entry,
                     DecodeNext(*cursor, partition, previous));
    previous = raft::PositionOf(entry);
    stored.entries.push_back(std::move(entry));
  }
  if (!cursor->status().ok()) return Annotate(cursor->status(), partition);
  return stored;
}

absl::StatusOr<std::vector<raft::Entry>> ReadLog(KeyValueView& view,
                                                 base::PartitionId partition,
                                                 raft::Index from,
                                                 uint64_t bytes_max) {
  std::vector<raft::Entry> entries;
  uint64_t bytes = 0;
  std::unique_ptr<Cursor> cursor = LogCursor(view, partition);
  for (cursor->Seek(LogKey(partition, from));
       cursor->valid() && (entries.empty() || bytes < bytes_max);
       cursor->Next()) {
    if (entries.empty()) {
      if (IndexOfLogKey(cursor->key()) != from) break;
      ASSIGN_OR_RETURN(raft::Entry entry, DecodeAt(*cursor, partition));
      entries.push_back(std::move(entry));
    } else {
      ASSIGN_OR_RETURN(
          raft::Entry entry,
          DecodeNext(*cursor, partition, raft::PositionOf(entries.back())));
      entries.push_back(std::move(entry));
    }
    bytes += entries.back().bytes().size();
  }
  if (!cursor->status().ok()) return Annotate(cursor->status(), partition);
  if (entries.empty()) {
    return Annotate(absl::OutOfRangeError("not in the log on disk"), partition,
                    from);
  }
  return entries;
}

absl::StatusOr<std::unique_ptr<ImageReader>> ReadImage(
    KeyValueView& view, base::PartitionId partition) {
  ASSIGN_OR_RETURN(ImagePointer pointer, ReadPointer(view, partition));
  const std::string begin = ImageBegin(partition, pointer.generation);
  const std::string next = ImageBegin(partition, pointer.generation + 1);
  std::unique_ptr<Cursor> later =
      view.NewCursor(Family::kImage, next, ImageEnd(partition));
  later->Seek(next);
  RETURN_IF_ERROR(later->status());
  std::unique_ptr<Cursor> cursor = view.NewCursor(Family::kImage, begin, next);
  cursor->Seek(begin);
  return std::make_unique<RowReader>(partition, std::move(pointer),
                                     std::move(cursor), later->valid());
}

}  // namespace storage
