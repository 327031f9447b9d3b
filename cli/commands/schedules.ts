import type { Command } from 'commander'
import type { Schedule, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { createIdempotently } from '../client/idempotent-create.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readProfileText } from '../options/profile-source.ts'
import { addProbeCount, addRunOptions } from '../options/run-options.ts'
import { allowOnlyFile, readScheduleSpec, type ScheduleOptions } from '../options/schedule-spec.ts'
import { repeated } from '../options/service-options.ts'
import { TOPOLOGY_HELP } from '../options/topology-options.ts'
import { runDocument } from '../render/run-document.ts'
import { scheduleDocument } from '../render/schedule-document.ts'
import { renderSchedule, renderSchedules } from '../render/schedules-text.ts'
import { printJson, printLine } from '../terminal.ts'
import { PLANNING_DEADLINE_MS, reviewPlan } from './plan.ts'

/** The NAME argument. */
const nameOf = ({ operands, read }: Invocation<object>): string => {
  if (operands[0] === undefined)
    read.refuse('NAME', 'is missing: give the name of a schedule; "meshgauge schedules list" lists them')
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
  const { readSchedule } = await import('../../collector/schedules/define/schema.ts')
  const { scheduleSpecMessage } = await import('../../collector/schedules/define/schedule-spec-message.ts')
  return scheduleSpecMessage(readSchedule(file, text ?? ''))
}

const add = async (invocation: Invocation<ScheduleOptions & { delay?: boolean }>): Promise<ExitCode> => {
  // Commander sets `delay` to false for --no-delay.
  const { delay, ...rest } = invocation.options
  const options = { ...rest, ...(delay === false ? { noDelay: true } : {}) }
  const typed: Invocation<ScheduleOptions> = { ...invocation, options }
  const spec = options.file === undefined ? readScheduleSpec(typed) : await readFile(typed, options.file)
  if (spec.work?.$case === 'run') await reviewPlan(typed, spec.work.value)
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
    else printLine(terminal.stdout, `Removed schedule ${name}. An active run of it continues.`)
    return EXIT.healthy
  })
}

const addAddCommand = (schedules: Command, app: App): void => {
  const command = schedules
    .command('add')
    .summary('Add a schedule.')
    .description(
      `Add a schedule. Say what it measures with the options of "meshgauge run", or with --profile or --mesh. Or give the
whole schedule as a YAML file with the keys of a schedule in the collector's configuration. The runs of a schedule have
its name as their label.`,
    )
    .argument('[NAME]', 'Name of the schedule: letters, digits, ".", "_" and "-".')
    .argument('[TOPOLOGY]', TOPOLOGY_HELP)
    .optionsGroup('When:')
    .option(
      '--cron <line>',
      'Start times as a cron expression: five fields such as "0 2 * * *", six with seconds first, or @daily.',
    )
    .option('--every <time>', 'Time between two starts, such as 6h.')
    .option(
      '--time-zone <zone>',
      'Time zone of --cron and --blackout, such as Europe/Berlin. Default: the time zone of the collector.',
    )
    .option('--jitter <time>', 'Delay each start by a random time up to this. Default 0s.')
    .option(
      '--overlap <policy>',
      'What to do if the previous run is still active: skip the start, or queue it. Default skip.',
    )
    .option(
      '--blackout <cron for time>',
      'Times without starts, such as "0 8 * * 1-5 for 10h". Repeatable.',
      repeated,
    )
    .option('--paused', 'Add the schedule paused.')
    .optionsGroup('How much:')
    .option(
      '--budget-bytes <size>',
      'Bytes that all nodes together may send per budget period, such as 500G.',
    )
    .option('--budget-busy <time>', 'Time that any interface may be busy per budget period.')
    .option('--budget-period <time>', 'Length of the sliding budget period. Default 1d.')
    .option(
      '--every-pair-within <time>',
      'Measure every pair within this time. Each start measures its share, the most overdue pairs first.',
    )
    .option('--each-interface', 'Start one run per interface, one after the other.')
    .optionsGroup('What to do instead of a run:')
    .option(
      '--profile <name>',
      'Run the tests of a profile: the name of a profile of the collector, or a YAML file.',
    )
    .option('--mesh', 'Keep an always-on ping mesh.')
    .option('-f, --file <file>', 'Read the whole schedule from a YAML file.')
  addProbeCount(addRunOptions(command, ''))
  withExamples(command, [
    ['meshgauge schedules add nightly mesh --test iperf --duration 2s --cron "0 2 * * *" --jitter 30m', ''],
    ['meshgauge schedules add rack3 ring --test iperf --nodes rack=r3 --every 6h --overlap queue', ''],
    [
      'meshgauge schedules add all mesh --test iperf --cron @daily --every-pair-within 7d --each-interface',
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
    .summary('Manage recurring runs and ping meshes.')
    .description(
      `Manage recurring runs and always-on ping meshes. Schedules come from the built-in defaults, from the configuration of
the collector, and from "schedules add". Added schedules survive a restart of the collector.`,
    )
  withExamples(schedules, [
    ['meshgauge schedules list', 'list schedules with missed, late and skipped starts'],
    ['meshgauge schedules add nightly mesh --test iperf --cron "0 2 * * *"', 'add a schedule'],
    ['meshgauge schedules trigger nightly', 'start it now'],
    ['meshgauge schedules pause nightly', 'pause it'],
    ['meshgauge runs list', 'list runs; the label is the name of the schedule'],
  ])
  const addNameCommand = (
    word: string,
    description: string,
    handler: (invocation: Invocation<object>) => Promise<ExitCode>,
  ) =>
    app.handle(
      schedules.command(word).description(description).argument('[NAME]', 'Name of the schedule.'),
      1,
      handler,
    )
  app.handle(schedules.command('list').description('List schedules with their state and counts.'), 0, list, {
    isList: true,
  })
  addNameCommand('show', 'Show one schedule: its times, runs, coverage and used budget.', show)
  addAddCommand(schedules, app)
  addNameCommand(
    'pause',
    'Pause a schedule: nothing starts until "resume". A ping mesh stops; an active run continues.',
    pause,
  )
  addNameCommand('resume', 'Resume a paused schedule.', resume)
  addNameCommand(
    'trigger',
    'Start a schedule now, regardless of its times, blackouts and budget. Print the id of the run.',
    trigger,
  )
  addNameCommand(
    'rm',
    'Remove a schedule that was added with "schedules add". An active run continues.',
    remove,
  )
}
