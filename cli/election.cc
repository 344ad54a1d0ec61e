#include <stop_token>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/election_format.h"
#include "cli/exit_code.h"
#include "cli/held.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

using client::Election;
using client::ElectionTerm;
using client::Leadership;

absl::Status PrintTerm(Run& run, const absl::StatusOr<ElectionTerm>& term) {
  RETURN_IF_ERROR(term.status());
  run.Print(ToText(*term), ToJson(*term));
  return absl::OkStatus();
}

// A command about the candidate of operand 1.
template <absl::StatusOr<ElectionTerm> (Election::*kCall)(absl::string_view)>
absl::Status Call(Run& run) {
  ASSIGN_OR_RETURN(Election election, run.Open<Election>(0));
  return PrintTerm(run, (election.*kCall)(run.operand(1)));
}

absl::Status Enter(Run& run) {
  ASSIGN_OR_RETURN(Election election, run.Open<Election>(0));
  ASSIGN_OR_RETURN(const ElectionTerm term, election.Enter(run.operand(1)));
  RETURN_IF_ERROR(PrintTerm(run, term));
  if (run.flags().Has("session")) return absl::OkStatus();
  run.out().flush();
  const auto watch = election.Watch();
  // It begins with the present term, which was printed.
  bool first = true;
  return run.Follow<ElectionTerm>(*watch, [&](const ElectionTerm& next) {
    if (std::exchange(first, false) && next == term) return false;
    run.Print(ToText(next), ToJson(next));
    return true;
  });
}

absl::Status Lead(Run& run) {
  if (run.flags().Has("session")) {
    return UsageError(
        "lead holds the lead with a session of its own; `election enter` "
        "takes --session");
  }
  ASSIGN_OR_RETURN(const auto limit, WaitLimit(run));
  ASSIGN_OR_RETURN(Election election, run.Open<Election>(0));
  return run.UntilInterrupt([&](std::stop_token stop) -> absl::Status {
    ASSIGN_OR_RETURN(
        Leadership lead,
        election.Lead(run.operand(1), {.limit = limit, .stop = stop}));
    Json object;
    object["name"] = run.operand(0);
    object["candidate"] = lead.candidate();
    object["token"] = lead.fencing_token();
    run.Print(absl::StrCat(lead.fencing_token(), "\n"), object);
    run.out().flush();
    const absl::Status end = lead.AwaitEnd(stop);
    return stop.stop_requested() ? absl::OkStatus() : end;
  });
}

absl::Status Withdraw(Run& run) {
  RETURN_IF_ERROR(WantsSession(run,
                               "only who entered a candidate withdraws "
                               "it; `election evict` takes any out"));
  return Call<&Election::Withdraw>(run);
}

absl::Status Term(Run& run) {
  ASSIGN_OR_RETURN(Election election, run.Open<Election>(0));
  return PrintTerm(run, election.Term());
}

Verb OfCandidate(const std::string& name, const std::string& summary,
                 absl::Status (*run)(Run& run)) {
  return {.name = name,
          .operands = "NAME CANDIDATE",
          .operands_min = 2,
          .operands_max = 2,
          .summary = summary,
          .run = run};
}

std::vector<Verb> Verbs() {
  Verb enter =
      OfCandidate("enter", "Enter the line, and follow it until Ctrl-C", Enter);
  enter.details =
      "With --session the candidate stays in line, and the command ends at "
      "once.";
  enter.flags = {{"count", "N", "End after so many changes"}};
  Verb lead = OfCandidate(
      "lead", "Wait for the lead, print its token, hold it until Ctrl-C", Lead);
  lead.details =
      "Ends with 1 when the candidate does not lead any more. The token is the "
      "number of\nthe term, higher for every later leader.";
  lead.flags = WaitFlags();
  Verb term = {.name = "term",
               .operands = "NAME",
               .operands_min = 1,
               .operands_max = 1,
               .summary = "Print the term: who leads, and who is in line",
               .run = Term};
  return {
      enter,
      lead,
      term,
      OfCandidate("withdraw", "Take out a candidate that --session entered",
                  Withdraw),
      OfCandidate("evict", "Take out a candidate, whoever entered it",
                  Call<&Election::Evict>),
      OfCandidate("anoint", "Make a candidate in line the leader",
                  Call<&Election::Anoint>),
      OfCandidate("promote", "Move a candidate one place forward",
                  Call<&Election::Promote>),
      OfCandidate("demote", "Move a candidate one place back",
                  Call<&Election::Demote>),
  };
}

}  // namespace

const Group& ElectionGroup() {
  static const Group& group = *new Group{
      .name = "election",
      .summary = "Elections: a leader, and a line of candidates behind it",
      .details =
          "A candidate is a name. It belongs to the session that entered it "
          "and "
          "leaves with\nit. All print the term as it then is; what is not "
          "possible changes nothing.\nAn election is created when first used.",
      .verbs = Verbs()};
  return group;
}

}  // namespace cli
