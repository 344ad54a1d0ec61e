// The driver's part in reading the state through: a row that nobody changes is
// in no digest any more, whatever happens to it in memory.
//
// What is found is reported as a state that differs, and so ends as any other
// (divergence.h): with a majority this replica is paused and re-seeded, and
// without one there is an alarm at all of them. Its image on disk still has the
// row as it was, so long as nobody changes it: a restart makes it right, too,
// and for a single voter nothing else does.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "partition/driver.h"

namespace partition {

void Driver::TickScrub() {
  if (!scrubber_.Tick(state_machine_->rows(), state_machine_->size_bytes()) ||
      scrub_ahead_) {
    return;
  }
  scrub_ahead_ = true;
  PostLater([this] {
    scrub_ahead_ = false;
    Scrub();
  });
}

void Driver::Scrub() {
  if (!standing_.may_read()) return;
  const session::Scrubbed slice =
      state_machine_->Scrub(Scrubber::kSliceRows, Scrubber::kSliceBytes);
  if (slice.damaged.empty()) return;
  std::vector<TableDigest> differences;
  for (const session::DamagedRow& row : slice.damaged) {
    const std::string what = absl::StrCat(
        "row ", absl::BytesToHexString(row.key), " of ",
        session::NameOf(row.table), " (", row.owner,
        ") is in memory not what was written to disk, though nothing changed "
        "it");
    LOG(ERROR) << "partition " << options_.id << " term " << core_->term()
               << ": " << what;
    if (state_damage_.empty()) {
      state_damage_ = absl::StrCat(
          what, ": is this machine's memory bad? A restart reads the disk");
    }
    differences.push_back(
        {.table = static_cast<uint16_t>(row.table), .digest = row.difference});
  }
  std::vector<Note> notes;
  divergence_.Damaged(differences, core_->configuration(), notes);
  SendNotes(std::move(notes));
  LookForContradiction();
}

std::string Driver::Alarm() const {
  std::vector<std::string> alarms;
  for (std::string alarm :
       {image_damage_, state_damage_, divergence_.Alarm()}) {
    if (!alarm.empty()) alarms.push_back(std::move(alarm));
  }
  return absl::StrJoin(alarms, "; ");
}

}  // namespace partition
