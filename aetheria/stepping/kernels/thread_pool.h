// Threads that are kept between calls: to start one takes longer than many a step.
#pragma once
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

class ThreadPool {
public:
    using Work = std::function<void(int)>;

    // Calls work(0) on this thread and work(1) ... work(helpers) on others. Helpers that have not begun when work(0) returns are
    // left out; the others are waited for. One caller at a time.
    void run(int helpers, const Work& work) {
        start(helpers, work);
        work(0);
        stop();
        // Yields soon: on a busy machine a spinning thread would keep the one that works from its core.
        for (int spins = 0; running.load(std::memory_order_acquire) > 0; spins++)
            if (spins > 2000) std::this_thread::yield();
    }

private:
    std::mutex mutex;
    std::condition_variable started;
    const Work* current = nullptr;  // this and the next three change with `mutex` held
    int64_t calls = 0;
    int vacancies = 0, threads = 0;
    std::atomic<int> running{0};

    void start(int helpers, const Work& work) {
        std::lock_guard<std::mutex> lock(mutex);
        try {
            for (; threads < helpers; threads++) std::thread([this] { help(); }).detach();
        } catch (const std::system_error&) {  // the system starts no more threads: those there are do all the work
        }
        current = &work;
        vacancies = helpers;
        calls++;
        for (int i = 0; i < helpers; i++) started.notify_one();
    }

    void stop() {
        std::lock_guard<std::mutex> lock(mutex);
        vacancies = 0;
    }

    void help() {
        std::unique_lock<std::mutex> lock(mutex);
        for (int64_t last_call = 0;;) {
            started.wait(lock, [&] { return calls != last_call && vacancies > 0; });
            last_call = calls;
            const int number = vacancies--;
            const Work& work = *current;
            running++;
            lock.unlock();
            work(number);
            running.fetch_sub(1, std::memory_order_release);
            lock.lock();
        }
    }
};

// Pools that are not in use. They are never destroyed: their threads sleep until the process ends.
struct IdlePools {
    std::mutex mutex;
    std::vector<ThreadPool*> pools;

    ThreadPool* acquire() {
        std::lock_guard<std::mutex> lock(mutex);
        if (pools.empty()) return new ThreadPool;
        ThreadPool* pool = pools.back();
        pools.pop_back();
        return pool;
    }
    void release(ThreadPool* pool) {
        std::lock_guard<std::mutex> lock(mutex);
        pools.push_back(pool);
    }
};

inline IdlePools& idle_pools() {
    static IdlePools* current = new IdlePools;
    static const int registered = pthread_atfork(nullptr, nullptr, [] { current = new IdlePools; });  // a fork copies no threads
    (void)registered;
    return *current;
}
