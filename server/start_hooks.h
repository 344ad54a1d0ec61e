// How a start that waits for other nodes talks to who started it.

#ifndef SERVER_START_HOOKS_H_
#define SERVER_START_HOOKS_H_

#include <functional>
#include <string>

namespace server {

struct StartHooks {
  // Whether to give up; asked several times a second.
  std::function<bool()> stop;
  // Says what is waited for, when that changes.
  std::function<void(const std::string& what)> on_wait;
};

}  // namespace server

#endif  // SERVER_START_HOOKS_H_
