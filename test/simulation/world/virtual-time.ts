/** A scheduled action. Cancelling it costs nothing: it is skipped when its time comes. */
export type Timer = {
  readonly atSeconds: number
  readonly order: number
  /** What the timer belongs to, such as the clock of a process. */
  readonly owner: object | undefined
  act: (() => void) | undefined
}

/** Cancelled timers are removed from the queue when there are more of them than this, and more than live ones. */
const MAX_CANCELLED = 10_000
/** Real time that a module may need to load when nothing is scheduled, in milliseconds. */
const LOAD_MS = 2_000
const LOAD_STEP_MS = 5

const isBefore = (one: Timer, other: Timer): boolean =>
  one.atSeconds < other.atSeconds || (one.atSeconds === other.atSeconds && one.order < other.order)

/** A binary heap: the earliest timer first, of two with the same time the one that was scheduled first. */
const createQueue = () => {
  let heap: Timer[] = []
  const swap = (one: number, other: number) => {
    const timer = heap[one]!
    heap[one] = heap[other]!
    heap[other] = timer
  }
  const siftUp = (from: number) => {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1
      if (!isBefore(heap[index]!, heap[parent]!)) return
      swap(index, parent)
      index = parent
    }
  }
  const siftDown = (from: number) => {
    for (let index = from; ; ) {
      const left = 2 * index + 1
      const right = left + 1
      let first = index
      if (left < heap.length && isBefore(heap[left]!, heap[first]!)) first = left
      if (right < heap.length && isBefore(heap[right]!, heap[first]!)) first = right
      if (first === index) return
      swap(index, first)
      index = first
    }
  }
  return {
    size: (): number => heap.length,
    first: (): Timer | undefined => heap[0],
    push: (timer: Timer): void => {
      heap.push(timer)
      siftUp(heap.length - 1)
    },
    shift: (): Timer | undefined => {
      const first = heap[0]
      const last = heap.pop()
      if (first === undefined || first === last) return first
      heap[0] = last!
      siftDown(0)
      return first
    },
    keep: (wanted: (timer: Timer) => boolean): void => {
      heap = heap.filter(wanted)
      for (let index = (heap.length >> 1) - 1; index >= 0; index--) siftDown(index)
    },
  }
}

/** Events after which the real event loop has a turn: it collects what is garbage, and hears a signal. */
const EVENTS_PER_TURN = 500

/**
 * Calls `act` when all promise callbacks that could run have run: Node runs next ticks when no promise callback is left.
 * A tick that was scheduled by a tick would run before the promise callbacks.
 */
const afterCallbacks = (act: () => void, isTurn: boolean): void =>
  queueMicrotask(() => (isTurn ? setImmediate(act) : process.nextTick(act)))

/**
 * The one clock of a simulation. It advances to the next timer only when every promise callback has run, so the order
 * of all events depends on the timers alone and not on the speed of the machine.
 */
export const createVirtualTime = () => {
  const queue = createQueue()
  let seconds = 0
  let order = 0
  let cancelled = 0
  let events = 0

  const schedule = (delaySeconds: number, act: () => void, owner?: object): Timer => {
    const timer: Timer = { atSeconds: seconds + Math.max(0, delaySeconds), order: order++, owner, act }
    queue.push(timer)
    return timer
  }
  const dropCancelled = (): void => {
    queue.keep(({ act }) => act !== undefined)
    cancelled = 0
  }
  const cancel = (timer: Timer): void => {
    if (timer.act === undefined) return
    timer.act = undefined
    cancelled++
    if (cancelled < MAX_CANCELLED || cancelled * 2 < queue.size()) return
    dropCancelled()
  }
  /** Runs the next timer. Returns false when there is none. */
  const step = (): boolean => {
    for (let timer = queue.shift(); timer; timer = queue.shift()) {
      const { act, atSeconds } = timer
      if (act === undefined) {
        cancelled--
        continue
      }
      seconds = atSeconds
      timer.act = undefined
      events++
      act()
      return true
    }
    return false
  }

  return {
    seconds: (): number => seconds,
    schedule,
    cancel,
    /** Removes all timers of an owner, and with them what they refer to. */
    removeOwner: (owner: object): void => {
      dropCancelled()
      queue.keep((timer) => timer.owner !== owner)
    },
    /** Timers that are scheduled and not cancelled. */
    timerCount: (): number => queue.size() - cancelled,
    /** Timers that have run. */
    eventCount: (): number => events,
    /**
     * Advances time until the work has settled, and gives its result.
     * @throws Error when nothing is scheduled and the work still waits, or when it takes longer than `maxSeconds`
     */
    run: <T>(work: Promise<T>, maxSeconds = Number.POSITIVE_INFINITY): Promise<T> =>
      new Promise((resolve, reject) => {
        const endSeconds = seconds + maxSeconds
        let isSettled = false
        let waitedMs = 0
        const settle = () => {
          isSettled = true
        }
        const advance = (): void => {
          try {
            if (isSettled) resolve(work)
            else if (seconds > endSeconds)
              reject(new Error(`the simulated work takes more than ${maxSeconds} s`))
            else if (step()) {
              waitedMs = 0
              afterCallbacks(advance, events % EVENTS_PER_TURN === 0)
            } else if (waitedMs < LOAD_MS) {
              // A module that is loaded for the first time is the only real input that the simulation waits for.
              waitedMs += LOAD_STEP_MS
              setTimeout(advance, LOAD_STEP_MS)
            } else reject(new Error('the simulation stands still: no timer is scheduled'))
          } catch (error) {
            reject(error)
          }
        }
        work.then(settle, settle)
        afterCallbacks(advance, false)
      }),
  }
}

export type VirtualTime = ReturnType<typeof createVirtualTime>
