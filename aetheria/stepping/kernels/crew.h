// Threads that stay from one piece of work to the next: to start one takes longer than many a step does.
#pragma once
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

class Crew {
public:
    using Work = std::function<void(int)>;

    // Calls work(0) here, and work(1) ... work(helpers) in other threads, those that are there before work(0) returns; waits for
    // them. Not from two threads at once.
    void run(int helpers, const Work& work) {
        call(helpers, work);
        work(0);
        close();
        // Yields soon: on a busy machine a spinning thread would keep the one that works from its core.
        for (int spins = 0; inside.load(std::memory_order_acquire) > 0; spins++)
            if (spins > 2000) std::this_thread::yield();
    }

private:
    std::mutex door;
    std::condition_variable called;
    const Work* wanted = nullptr;  // this and the next three change with `door` held
    int64_t calls = 0;
    int places = 0, threads = 0;
    std::atomic<int> inside{0};

    void call(int helpers, const Work& work) {
        std::lock_guard<std::mutex> lock(door);
        try {
            for (; threads < helpers; threads++) std::thread([this] { help(); }).detach();
        } catch (const std::system_error&) {  // no more threads to be had: those there are do it all
        }
        wanted = &work;
        places = helpers;
        calls++;
        for (int i = 0; i < helpers; i++) called.notify_one();
    }

    void close() {
        std::lock_guard<std::mutex> lock(door);
        places = 0;
    }

    void help() {
        std::unique_lock<std::mutex> lock(door);
        for (int64_t answered = 0;;) {
            called.wait(lock, [&] { return calls != answered && places > 0; });
            answered = calls;
            const int place = places--;
            const Work& work = *wanted;
            inside++;
            lock.unlock();
            work(place);
            inside.fetch_sub(1, std::memory_order_release);
            lock.lock();
        }
    }
};

// Crews that nobody works with now. They are never taken down: their threads sleep until the process ends.
struct Crews {
    std::mutex door;
    std::vector<Crew*> idle;

    Crew* take() {
        std::lock_guard<std::mutex> lock(door);
        if (idle.empty()) return new Crew;
        Crew* one = idle.back();
        idle.pop_back();
        return one;
    }
    void give_back(Crew* one) {
        std::lock_guard<std::mutex> lock(door);
        idle.push_back(one);
    }
};

inline Crews& crews() {
    static Crews* kept = new Crews;
    static const int asked = pthread_atfork(nullptr, nullptr, [] { kept = new Crews; });  // threads are not forked
    (void)asked;
    return *kept;
}
