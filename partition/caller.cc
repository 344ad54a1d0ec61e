#include "partition/caller.h"

#include "absl/strings/str_cat.h"

namespace partition {

Refusal UnknownSession() {
  return {.status = absl::NotFoundError("session not found"),
          .outcome = Outcome::kNotProposed,
          .retry_after_ms = 0};
}

Refusal RefusalOf(const session::Applied& applied) {
  Refusal refusal;
  switch (applied.outcome) {
    case session::Applied::Outcome::kNothing:
    case session::Applied::Outcome::kSessionOpened:
    case session::Applied::Outcome::kKeptAlive:
    case session::Applied::Outcome::kSessionClosed:
    case session::Applied::Outcome::kAnswered:
    case session::Applied::Outcome::kOpen:
      return refusal;
    case session::Applied::Outcome::kUnknownSession:
      return UnknownSession();
    case session::Applied::Outcome::kCanceled:
      refusal.status = absl::CancelledError(
          applied.message.empty()
              ? "the client has given this sequence number up"
              : applied.message);
      return refusal;
    case session::Applied::Outcome::kContentChanged:
      refusal.status = absl::InvalidArgumentError(
          "headers.sequence_num was used before with another content");
      return refusal;
    case session::Applied::Outcome::kBusy:
      refusal.status = absl::UnavailableError(applied.message);
      refusal.retry_after_ms = 100;
      return refusal;
    case session::Applied::Outcome::kExhausted:
      refusal.status = absl::ResourceExhaustedError(applied.message);
      return refusal;
    case session::Applied::Outcome::kCannotApply:
      refusal.status = absl::InternalError(applied.message);
      return refusal;
  }
  refusal.status = absl::InternalError("unknown outcome");
  return refusal;
}

}  // namespace partition
