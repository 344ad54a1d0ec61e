#include "raft/configuration_history.h"

#include <utility>

#include "base/check.h"

namespace raft {

ConfigurationHistory::ConfigurationHistory(Index index,
                                           Configuration configuration) {
  history_.push_back({index, std::move(configuration)});
}

const Configuration& ConfigurationHistory::At(Index index) const {
  return VersionAt(index).configuration;
}

Index ConfigurationHistory::IndexAt(Index index) const {
  return VersionAt(index).index;
}

const ConfigurationHistory::Version& ConfigurationHistory::VersionAt(
    Index index) const {
  for (auto it = history_.rbegin(); it != history_.rend(); ++it) {
    if (it->index <= index) return *it;
  }
  LOG(FATAL) << "no configuration at index " << index << ", the image is at "
             << history_.front().index;
}

void ConfigurationHistory::Append(Index index, Configuration configuration) {
  CHECK_GT(index, current_index());
  history_.push_back({index, std::move(configuration)});
}

bool ConfigurationHistory::TruncateFrom(Index index) {
  CHECK_GT(index, history_.front().index);
  const size_t before = history_.size();
  while (history_.back().index >= index) history_.pop_back();
  return history_.size() != before;
}

void ConfigurationHistory::Compact(Index index, Configuration configuration) {
  std::vector<Version> kept;
  kept.push_back({index, std::move(configuration)});
  for (Version& version : history_) {
    if (version.index > index) kept.push_back(std::move(version));
  }
  history_ = std::move(kept);
}

}  // namespace raft
