import { afterEach, describe, expect, test } from 'vitest'
import { createFakeClock } from '../../lib/testing/fake-clock.ts'
import { type CpuShortageWatch, cpuStatPath, watchCpuShortage } from './cpu-shortage.ts'

// /proc/self/cgroup of a systemd service with version 2, of a pod, of version 1, and of both versions at the same time.
test.each([
  [
    '0::/system.slice/meshgauge-agent.service\n',
    '/sys/fs/cgroup/system.slice/meshgauge-agent.service/cpu.stat',
  ],
  ['0::/\n', '/sys/fs/cgroup/cpu.stat'],
  ['9:name=systemd:/\n4:cpu,cpuacct:/limited\n', '/sys/fs/cgroup/cpu/limited/cpu.stat'],
  ['5:cpuset:/a\n3:cpu:/\n0::/user.slice\n', '/sys/fs/cgroup/cpu/cpu.stat'],
  ['5:cpuset:/a\n0::/user.slice\n', '/sys/fs/cgroup/user.slice/cpu.stat'],
  ['', '/sys/fs/cgroup/cpu.stat'],
])('finds the control group in %j', (cgroups, path) => expect(cpuStatPath(cgroups)).toBe(path))

describe('a test on a host', () => {
  /** Ticks per second of one of two cores, and periods of the control group. */
  type Activity = {
    user?: number
    softirq?: number
    steal?: number
    periods?: number
    throttled?: number
    waited?: number
  }
  const time = createFakeClock()
  const total = { user: 0, softirq: 0, steal: 0, idle: 0, periods: 0, throttled: 0, waited: 0 }
  let watch: CpuShortageWatch
  afterEach(() => watch.close())

  const read = (path: string): string | undefined => {
    const { user, softirq, steal, idle, periods, throttled, waited } = total
    if (path === '/proc/self/schedstat') return `123456 ${waited} 42\n`
    if (path === '/proc/self/cgroup') return '0::/\n'
    if (path === '/sys/fs/cgroup/cpu.stat')
      return `usage_usec 1\nnr_periods ${periods}\nnr_throttled ${throttled}\nthrottled_usec 5\n`
    return path === '/proc/stat'
      ? `cpu  1 2 3\ncpu0 ${user} 0 0 ${idle} 0 0 ${softirq} ${steal} 0 0\ncpu1 0 0 0 ${user + softirq + steal + idle} 0 0 0 0 0 0\n`
      : undefined
  }
  const pass = async (seconds: number, activity: Activity) => {
    const { user = 0, softirq = 0, steal = 0, periods = 0, throttled = 0, waited = 0 } = activity
    for (let second = 0; second < seconds; second++) {
      total.user += user
      total.softirq += softirq
      total.steal += steal
      total.idle += 100 - user - softirq - steal
      total.periods += periods
      total.throttled += throttled
      total.waited += waited * 1e9
      await time.pass(1)
    }
  }
  const shortageDuring = async (...phases: [seconds: number, activity: Activity][]) => {
    watch = watchCpuShortage({ clock: time.clock, read })
    await pass(5, {})
    const end = watch.begin()
    for (const phase of phases) await pass(...phase)
    return end()
  }

  test.each<[string, string, [number, Activity][]]>([
    ['that is idle', '', [[10, {}]]],
    ['that is busy', '', [[10, { user: 100 }]]],
    ['that receives many packets', '', [[10, { user: 20, softirq: 75 }]]],
    ['that is throttled a little', '', [[10, { periods: 10, throttled: 3 }]]],
    [
      'that is throttled for a short time',
      '',
      [
        [3, { periods: 10, throttled: 10 }],
        [7, { periods: 10 }],
      ],
    ],
    [
      'with a small quota',
      'its processor quota was used up in 90 % of the periods',
      [[10, { periods: 10, throttled: 9 }]],
    ],
    [
      'that waits at times',
      '',
      [
        [4, { user: 100, waited: 0.7 }],
        [6, { user: 100, waited: 0.4 }],
      ],
    ],
    ['with other work', 'it waited for a processor 80 % of the time', [[10, { user: 100, waited: 0.8 }]]],
    [
      'beside busy virtual machines',
      'other virtual machines got 40 % of its time',
      [[10, { user: 20, steal: 80 }]],
    ],
    [
      'with a core for software interrupts',
      'one core spent 99 % of its time on software interrupts',
      [[10, { softirq: 99, user: 1 }]],
    ],
  ])('%s: %s', async (_, expected, phases) => {
    const shortage = await shortageDuring(...phases)
    if (expected === '') expect(shortage).toBe('')
    else expect(shortage).toBe(`could not keep up: ${expected}`)
  })

  test('whose kernel does not tell', async () => {
    watch = watchCpuShortage({ clock: time.clock, read: () => undefined })
    const end = watch.begin()
    await pass(3, {})
    expect(end()).toBe('')
  })

  test('that was short only before it', async () => {
    watch = watchCpuShortage({ clock: time.clock, read })
    await pass(5, { periods: 10, throttled: 10 })
    const end = watch.begin()
    await pass(3, { periods: 10 })
    expect(end()).toBe('')
  })
})
