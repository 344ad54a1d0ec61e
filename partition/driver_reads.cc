// The driver's part in queries: none enters the log; those of a turn share one
// read index, and run when the state has reached it (reads.h).

#include <utility>

#include "absl/strings/str_cat.h"
#include "partition/driver.h"
#include "partition/refusals.h"

namespace partition {

void Driver::Handle(QueryItem item) {
  if (item.sink != nullptr && !callers_.IsOpen(item.stream)) {
    callers_.Open(item.stream, item.sink);
  }
  if (Refusal refusal = NotReading(); !refusal.status.ok()) {
    return HoldOrRefuse(std::move(item), std::move(refusal));
  }
  AddRead(std::move(item));
}

void Driver::AddRead(QueryItem item) {
  if (reads_.IsFull()) {
    return HoldOrRefuse(std::move(item),
                        Busy(absl::StrCat("partition ", options_.id.value(),
                                          ": too many queries wait")));
  }
  reads_.Add(std::move(item), Now());
}

void Driver::AskReads() {
  if (uint64_t context = reads_.TakeContext(); context != 0) {
    core_->ReadIndex(context);
  }
}

void Driver::RunReads() {
  if (standing_.has_failed()) return;
  for (QueryItem& item :
       reads_.TakeReady(raft::Index{state_machine_->applied_log_index()},
                        state_machine_->index())) {
    RunRead(std::move(item));
  }
}

void Driver::RunRead(QueryItem item) {
  if (item.sink == nullptr) {
    return callers_.Complete(std::move(item.completion),
                             state_machine_->RunQuery(item.request.query));
  }
  if (!callers_.IsOpen(item.stream)) return;
  session::StateMachine::OpenedQuery opened =
      state_machine_->OpenQuery(std::move(item.request.query));
  if (opened.unknown_session) {
    return callers_.End(item.stream, UnknownSession());
  }
  if (!opened.exhausted.empty()) {
    return callers_.End(
        item.stream,
        {.status = absl::ResourceExhaustedError(absl::StrCat(
             opened.exhausted, ": too many stream queries are open"))});
  }
  callers_.Attach(item.stream, opened.id);
}

// A slice of a listing in which nothing lives is the last one of its turn: the
// next one is a piece of long work (P54).
void Driver::GoOnListing() {
  if (listing_ahead_ || !state_machine_->has_ready_queries()) return;
  listing_ahead_ = true;
  PostLater([this] {
    listing_ahead_ = false;
    if (!standing_.has_failed()) callers_.Handle(state_machine_->TakeEffects());
  });
}

}  // namespace partition
