import type { Command } from 'commander'
import type { Schedule, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { createIdempotently } from '../client/idempotent-create.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { readProfileText } from '../options/profile-source.ts'
import { addProbeCount, addRunOptions } from '../options/run-options.ts'
import { allowOnlyFile, readScheduleSpec, type ScheduleOptions } from '../options/schedule-spec.ts'
import { repeated } from '../options/service.ts'
import { runDocument } from '../render/document.ts'
import { scheduleDocument } from '../render/schedules.ts'
import { renderSchedule, renderSchedules } from '../render/schedules-text.ts'
import { printJson, printLine } from '../terminal.ts'
import { PLANNING_DEADLINE_MS } from './plan.ts'

/** The one NAME that a command is about. */
const nameOf = ({ operands, read }: Invocation<object>): string => {
  if (operands[0] === undefined) read.refuse('NAME', 'is missing: which schedule; "meshgauge schedules list"')
  return operands[0] ?? ''
}

const printSchedule = ({ terminal, options, paint }: Invocation<object>, schedule: Schedule | undefined) => {
  if (!schedule) throw new Error('the collector answered without a schedule')
  if (options.json) printJson(terminal.stdout, { schedule: scheduleDocument(schedule) })
  else printLine(terminal.stdout, renderSchedule(schedule, terminal.clock.now(), paint))
  return EXIT.healthy
}

const list = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, options, paint } = invocation
    const schedules = await readAll(
      (page) => client.schedules.listSchedules(page),
      ({ schedules }) => schedules,
    )
    if (options.json) printJson(terminal.stdout, { schedules: schedules.map(scheduleDocument) })
    else printLine(terminal.stdout, renderSchedules(schedules, terminal.clock.now(), paint))
    return EXIT.healthy
  })

const show = (invocation: Invocation<object>): Promise<ExitCode> => {
  const name = nameOf(invocation)
  return withClient(invocation, async (client) => {
    const { schedule } = await client.schedules.getSchedule({ schedule: name })
    return printSchedule(invocation, schedule)
  })
}

const readFile = async (invocation: Invocation<ScheduleOptions>, file: string): Promise<ScheduleSpec> => {
  allowOnlyFile(invocation)
  const text = readProfileText('--file', file, invocation.problems)
  invocation.throwIfWrong()
  const { readSchedule } = await import('../../collector/schedules/schema.ts')
  return readSchedule(file, text ?? '')
}

const add = async (invocation: Invocation<ScheduleOptions & { delay?: boolean }>): Promise<ExitCode> => {
  // Commander turns --no-delay into delay: false.
  const { delay, ...rest } = invocation.options
  const options = { ...rest, ...(delay === false ? { noDelay: true } : {}) }
  const typed: Invocation<ScheduleOptions> = { ...invocation, options }
  const spec = options.file === undefined ? readScheduleSpec(typed) : await readFile(typed, options.file)
  return withClient(invocation, async (client) => {
    const request = { spec, paused: options.paused ?? false }
    const { schedule } = await createIdempotently(invocation.terminal.clock, (requestId) =>
      client.schedules.createSchedule({ ...request, requestId }, { deadline: PLANNING_DEADLINE_MS }),
    )
    return printSchedule(invocation, schedule)
  })
}

const pause = (invocation: Invocation<object>): Promise<ExitCode> => {
  const name = nameOf(invocation)
  return withClient(invocation, async (client) => {
    const { schedule } = await client.schedules.pauseSchedule({ schedule: name })
    return printSchedule(invocation, schedule)
  })
}

const resume = (invocation: Invocation<object>): Promise<ExitCode> => {
  const name = nameOf(invocation)
  return withClient(invocation, async (client) => {
    const { schedule } = await client.schedules.resumeSchedule({ schedule: name })
    return printSchedule(invocation, schedule)
  })
}

const trigger = (invocation: Invocation<object>): Promise<ExitCode> => {
  const name = nameOf(invocation)
  return withClient(invocation, async (client) => {
    const { terminal, options } = invocation
    const { run } = await client.schedules.triggerSchedule(
      { schedule: name },
      { deadline: PLANNING_DEADLINE_MS },
    )
    if (!run) throw new Error('the collector answered TriggerSchedule without a run')
    if (options.json) printJson(terminal.stdout, { run: runDocument(run) })
    else printLine(terminal.stdout, run.id)
    return EXIT.healthy
  })
}

const remove = (invocation: Invocation<object>): Promise<ExitCode> => {
  const name = nameOf(invocation)
  return withClient(invocation, async (client) => {
    const { terminal, options } = invocation
    await client.schedules.deleteSchedule({ schedule: name })
    if (options.json) printJson(terminal.stdout, { removed: name })
    else printLine(terminal.stdout, `Schedule ${name} is gone; a run under way ends as it would.`)
    return EXIT.healthy
  })
}

const addAdd = (schedules: Command, app: App): void => {
  const command = schedules
    .command('add')
    .summary('add a schedule')
    .description(
      `Adds a schedule. What it measures is said as for "meshgauge run", or with --profile or --mesh, or all of it by a
YAML file with the keys that schedules have in the collector's config. Its runs carry its name as their label.`,
    )
    .argument('[NAME]', 'letters, digits, ".", "_" and "-"')
    .argument('[TOPOLOGY]', 'ring, mesh, matrix, star, shifts or pairs')
    .optionsGroup('When:')
    .option(
      '--cron <line>',
      'a crontab line, such as "0 2 * * *", six fields with seconds in front, or @daily',
    )
    .option('--every <time>', 'so much time from one start to the next, such as 6h')
    .option(
      '--time-zone <zone>',
      "of --cron and --blackout, such as Europe/Berlin (default: the collector's)",
    )
    .option('--jitter <time>', 'each start is late by a random time up to this (default: 0s)')
    .option('--overlap <policy>', 'when the run before has not ended: skip or queue (default: skip)')
    .option(
      '--blackout <cron for time>',
      'nothing starts then: "0 8 * * 1-5 for 10h"; may be repeated',
      repeated,
    )
    .option('--paused', 'begin paused')
    .optionsGroup('How much:')
    .option('--budget-bytes <size>', 'bytes of all nodes together in the sliding time, such as 500G')
    .option('--budget-busy <time>', 'time in which any one interface is busy in the sliding time')
    .option('--budget-period <time>', 'the sliding time (default: 1d)')
    .option(
      '--every-pair-within <time>',
      'measure every pair within this time: each start takes its share, the most overdue first',
    )
    .option('--each-interface', 'a run for each interface, one after the other')
    .optionsGroup('Instead of a run:')
    .option('--profile <name>', 'the tests of a profile: one that the collector has, or a YAML file')
    .option('--mesh', 'a ping mesh that never stops')
    .option('-f, --file <file>', 'the whole schedule, in YAML')
  addProbeCount(addRunOptions(command, ''))
  withExamples(command, [
    ['meshgauge schedules add nightly mesh --test iperf --duration 2s --cron "0 2 * * *" --jitter 30m', ''],
    ['meshgauge schedules add rack3 ring --test iperf --nodes rack=r3 --every 6h --overlap queue', ''],
    [
      'meshgauge schedules add all mesh --test iperf --cron @daily --every-pair-within 7d --budget-busy 10m',
      '',
    ],
    ['meshgauge schedules add base --profile baseline --cron "0 4 * * 6"', ''],
    ['meshgauge schedules add storage --mesh --interface net1', ''],
    ['meshgauge schedules add -f nightly.yaml --paused', ''],
  ])
  app.handle(command, 2, add, { passesThrough: true })
}

export const addSchedulesCommand = (program: Command, app: App): void => {
  const schedules = program
    .command('schedules')
    .summary('what is measured without being asked')
    .description(
      `Runs that recur, and ping meshes that never stop: meshgauge's own defaults, those of the collector's config, and
those that were added here, which survive a restart.`,
    )
  withExamples(schedules, [
    ['meshgauge schedules list', 'all, with what was missed, late or left out'],
    ['meshgauge schedules add nightly mesh --test iperf --cron "0 2 * * *"', 'one more'],
    ['meshgauge schedules trigger nightly', 'starts it now'],
    ['meshgauge schedules pause nightly', 'until it is resumed'],
    ['meshgauge runs list', 'its runs: their label is its name'],
  ])
  const one = (
    word: string,
    description: string,
    handler: (invocation: Invocation<object>) => Promise<ExitCode>,
  ) =>
    app.handle(
      schedules.command(word).description(description).argument('[NAME]', 'the schedule'),
      1,
      handler,
    )
  app.handle(schedules.command('list').description('Lists the schedules and how they fare.'), 0, list)
  one('show', 'Shows one schedule: its times, runs, coverage and what it spent.', show)
  addAdd(schedules, app)
  one(
    'pause',
    'Starts nothing more until it is resumed; a mesh stops, a run under way ends as it would.',
    pause,
  )
  one('resume', 'Undoes pause.', resume)
  one(
    'trigger',
    'Starts it now, whatever its times, blackouts and budget say, and prints the id of its run.',
    trigger,
  )
  one('rm', 'Removes a schedule that was added; a run under way ends as it would.', remove)
}
