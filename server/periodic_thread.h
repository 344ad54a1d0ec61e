// PeriodicThread looks at something every so often, on a thread of its own. It
// takes no lock and uses no memory, so that nothing that hangs can hold it up;
// and what it looks at may hang: that holds up nobody else.

#ifndef SERVER_PERIODIC_THREAD_H_
#define SERVER_PERIODIC_THREAD_H_

#include <functional>
#include <thread>

namespace server {

class PeriodicThread {
 public:
  // Calls `look` every `period_ms`, for the first time after the first of them,
  // until it returns false. `name` is the thread's, at most 15 bytes.
  PeriodicThread(const char* name, int period_ms, std::function<bool()> look);
  // Waits for a look that is under way; no other begins.
  ~PeriodicThread();
  PeriodicThread(const PeriodicThread&) = delete;
  PeriodicThread& operator=(const PeriodicThread&) = delete;

 private:
  void Run();

  const int period_ms_;
  const std::function<bool()> look_;
  const int stop_fd_;  // Readable: stop.
  std::thread thread_;
};

}  // namespace server

#endif  // SERVER_PERIODIC_THREAD_H_
