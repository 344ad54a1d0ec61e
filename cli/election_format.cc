#include "cli/election_format.h"

#include "absl/strings/str_cat.h"

namespace cli {

std::string ToText(const client::ElectionTerm& term) {
  std::string text = absl::StrCat("term ", term.number, ": ");
  if (term.leader.empty()) {
    absl::StrAppend(&text, "nobody leads");
  } else {
    absl::StrAppend(&text, OneLine(term.leader), " leads");
  }
  const char* before = ", then ";
  for (const std::string& candidate : term.candidates) {
    absl::StrAppend(&text, before, OneLine(candidate));
    before = ", ";
  }
  return text + "\n";
}

Json ToJson(const client::ElectionTerm& term) {
  Json object;
  object["term"] = term.number;
  object["leader"] = term.leader;
  object["candidates"] = Json::array();
  for (const std::string& candidate : term.candidates) {
    object["candidates"].push_back(candidate);
  }
  return object;
}

}  // namespace cli
