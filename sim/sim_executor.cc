#include "sim/sim_executor.h"

#include <algorithm>
#include <utility>

namespace sim {

namespace {

// So many tasks a worker may find posted at once.
constexpr uint64_t kRound = 16;

}  // namespace

struct SimExecutor::State {
  EventLoop& loop;
  const SimClock& clock;
  base::Random random;
  const uint64_t delay_ns_max;

  bool stopped = false;
  bool scheduled = false;  // An event for the front of `ready` is on its way.
  uint64_t paused_until_ns = 0;
  std::deque<absl::AnyInvocable<void()>> ready;
  std::deque<absl::AnyInvocable<void()>> later;
  uint64_t ready_in_row = 0;  // Tasks that ran while some of `later` waited.

  // The next task, or null. Some of `later` runs however much is ready.
  absl::AnyInvocable<void()> Take() {
    const bool long_work =
        !later.empty() && (ready.empty() || ready_in_row >= kRound);
    std::deque<absl::AnyInvocable<void()>>& from = long_work ? later : ready;
    ready_in_row = long_work || later.empty() ? 0 : ready_in_row + 1;
    if (from.empty()) return nullptr;
    auto task = std::move(from.front());
    from.pop_front();
    return task;
  }
  uint64_t timers_added = 0;
  std::map<uint64_t, absl::AnyInvocable<void()>> timers;
};

SimExecutor::SimExecutor(EventLoop& loop, const SimClock& clock, uint64_t seed,
                         uint64_t delay_ns_max)
    : state_(new State{.loop = loop,
                       .clock = clock,
                       .random = base::Random(seed),
                       .delay_ns_max = delay_ns_max}) {}

SimExecutor::~SimExecutor() { Stop(); }

void SimExecutor::Post(absl::AnyInvocable<void()> task) {
  if (state_->stopped) return;
  state_->ready.push_back(std::move(task));
  Schedule(state_);
}

void SimExecutor::PostLater(absl::AnyInvocable<void()> task) {
  if (state_->stopped) return;
  state_->later.push_back(std::move(task));
  Schedule(state_);
}

void SimExecutor::PostAfter(uint64_t delay_ns,
                            absl::AnyInvocable<void()> task) {
  if (state_->stopped) return;
  const uint64_t timer = ++state_->timers_added;
  state_->timers.emplace(timer, std::move(task));
  state_->loop.After(state_->clock.ToVirtual(delay_ns),
                     [state = state_, timer] {
                       auto due = state->timers.extract(timer);
                       if (due.empty()) return;
                       state->ready.push_back(std::move(due.mapped()));
                       Schedule(state);
                     });
}

void SimExecutor::Schedule(const std::shared_ptr<State>& state) {
  if (state->scheduled) return;
  if (state->ready.empty() && state->later.empty()) return;
  state->scheduled = true;
  const uint64_t now = state->loop.now_ns();
  const uint64_t start = std::max(now, state->paused_until_ns) +
                         state->random.Between(0, state->delay_ns_max);
  state->loop.After(start - now, [state] {
    state->scheduled = false;
    // Paused since: wait on.
    if (state->loop.now_ns() < state->paused_until_ns) return Schedule(state);
    if (auto task = state->Take()) task();
    Schedule(state);
  });
}

void SimExecutor::Pause(uint64_t virtual_ns) {
  state_->paused_until_ns =
      std::max(state_->paused_until_ns, state_->loop.now_ns() + virtual_ns);
}

void SimExecutor::Stop() {
  state_->stopped = true;
  // Destroying a task may post another, which is then destroyed at once.
  while (auto task = state_->Take()) task = nullptr;
  while (!state_->timers.empty()) {
    auto timer = state_->timers.extract(state_->timers.begin());
  }
}

}  // namespace sim
