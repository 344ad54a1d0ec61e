// Progress is what a leader knows of one follower, for one term of leadership.
//
//   kProbe      where the logs agree is unknown: one message, then an answer.
//   kReplicate  they agree up to match: messages follow each other unasked.
//   kSnapshot   it needs entries that no longer exist: it gets the image.
//
// match_index < next_index always, and match_index never goes back (P24).
//
// Not thread-safe: owned by one Raft.

#ifndef RAFT_PROGRESS_H_
#define RAFT_PROGRESS_H_

#include <cstdint>
#include <optional>

#include "raft/inflights.h"
#include "raft/types.h"

namespace raft {

class Progress {
 public:
  // A follower of whom only the leader's last index is known.
  Progress(Index last_index, const Inflights& window)
      : next_(last_index + 1), window_(window) {}

  ProgressState state() const { return state_; }
  Index match_index() const { return match_; }
  Index next_index() const { return next_; }
  const Inflights& window() const { return window_; }

  // Whether an append message may be sent now.
  bool can_send() const;

  // A message with entries up to `last` (next_index() - 1: none) was sent.
  void Sent(Index last, uint64_t bytes);

  // The follower has everything up to `index`. Returns whether that is news.
  bool Accepted(Index index);

  // The follower refused what follows `prev_index`; its log may agree up to
  // `hint_index`. Returns false if the refusal is older than what is known.
  bool Refused(Index prev_index, Index hint_index);

  // The image at `image` is on its way. No appends until it ended.
  void BecomeSnapshot(Index image);
  // The image arrived, or did not: go on behind it, or where it stood.
  void SnapshotEnded(bool delivered);
  Index pending_image() const { return pending_image_; }
  // The newest image offered in this term: an acknowledgement of another is
  // nobody's (P40).
  Index offered_image() const { return offered_image_; }

  // Nothing can be sent now: probes again after the next sign of life.
  void Pause();

  // A sign of life that is no answer to an append: a probe may be repeated.
  // Returns true if appends sent before the last sign of life are still
  // unanswered, so that they may be lost.
  bool Heard();

  // --- Kept by the leader ---------------------------------------------------

  bool active = false;              // Heard from since the last check quorum.
  bool was_heard = false;           // At all.
  uint32_t silent_ticks = 0;        // Since it was heard from, or is known.
  uint64_t read_round = 0;          // The newest round it answered.
  uint64_t promised_until_ns = 0;   // Elects nobody until then, by our clock.
  Index commit_sent;                // What it was told is committed.
  bool force_append = false;        // Ask again, even with nothing to send.
  std::optional<Index> fetching;    // A FetchRequest from here is under way.
  std::optional<Position> fetched;  // The last entry sent from a fetch.

 private:
  void BecomeProbe(Index next);

  ProgressState state_ = ProgressState::kProbe;
  Index match_;
  Index next_;
  bool probing_ = false;  // kProbe: a message is out.
  Inflights window_;      // kReplicate.
  Index pending_image_;   // kSnapshot.
  Index offered_image_;
  Index match_when_heard_;
};

}  // namespace raft

#endif  // RAFT_PROGRESS_H_
