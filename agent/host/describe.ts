import os from 'node:os'
import { type Interface, NodeMetadata } from '#proto/meshgauge/agent/v1/agent.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { Processes } from '../processes.ts'
import { parseMemory } from './counters.ts'
import {
  countCpus,
  type DriverInfo,
  fullName,
  parseCpu,
  parseCpuList,
  parseEthtool,
  parseGpus,
  parseOperatingSystem,
  parsePlaces,
  parseUptime,
} from './facts.ts'
import type { ReadText } from './files.ts'

/** Drivers and GPUs do not change under a running agent but by hot-plug; then it is right again after this long. */
const PROGRAM_SECONDS = 600
/** nvidia-smi takes up to ten seconds where the driver has to load first; a hung driver takes for ever. */
const PROGRAM_DEADLINE_SECONDS = 20
/** Whoever asks does not wait for slow programs: what they say is in the next answer. */
const WAIT_SECONDS = 1

export type HostDescriber = {
  metadata(): Promise<NodeMetadata>
  /** The interfaces with what their drivers say of themselves. */
  withDrivers(interfaces: readonly Interface[]): Promise<Interface[]>
}

type Deps = { clock: Clock; processes: Pick<Processes, 'run'>; read: ReadText }

/** Files of DMI may be missing (virtual machines, ARM) or readable by root only. */
const readProduct = (read: ReadText) => {
  const dmi = (name: string) => read(`/sys/class/dmi/id/${name}`)?.trim() ?? ''
  return {
    systemVendor: dmi('sys_vendor'),
    productName: dmi('product_name') || (read('/proc/device-tree/model') ?? '').replaceAll('\0', ''),
    productVersion: dmi('product_version'),
  }
}

const readPlaces = (read: ReadText, cpuinfo: string) => {
  const places = parseCpuList(read('/sys/devices/system/cpu/present') ?? '').flatMap((cpu) => {
    const topology = (name: string) => read(`/sys/devices/system/cpu/cpu${cpu}/topology/${name}`)?.trim()
    const [socket, core] = [topology('physical_package_id'), topology('core_id')]
    return socket !== undefined && core !== undefined ? [{ socket, core }] : []
  })
  return places.length > 0 ? places : parsePlaces(cpuinfo)
}

/** What stays as it is for as long as the host is up. */
const readMachine = (read: ReadText): Partial<NodeMetadata> => {
  const cpuinfo = read('/proc/cpuinfo') ?? ''
  const { model, vendor } = parseCpu(cpuinfo)
  const { sockets, coresPerSocket, threadsPerCore } = countCpus(readPlaces(read, cpuinfo))
  return {
    architecture: os.machine(),
    kernel: os.release(),
    operatingSystem:
      parseOperatingSystem(read('/etc/os-release') ?? read('/usr/lib/os-release') ?? '') || os.type(),
    cpuModel: model,
    cpuVendor: vendor,
    cpuSocketCount: sockets,
    cpuCoresPerSocketCount: coresPerSocket,
    cpuThreadsPerCoreCount: threadsPerCore,
    ...readProduct(read),
  }
}

/** What programs print, asked for in the background and kept for a while. */
const createProgramCache = ({ clock, processes }: Deps) => {
  type Entry = { at: number; printed: Promise<string>; latest: string }
  const known = new Map<string, Entry>()
  const ask = (program: string, args: readonly string[], before: string): Entry => {
    // Not the caller's signal: others wait for the same answer, and the deadline bounds it.
    const options = { signal: AbortSignal.any([]), deadlineSeconds: PROGRAM_DEADLINE_SECONDS }
    const entry: Entry = {
      at: clock.monotonicSeconds(),
      // A program that is missing, fails or hangs says nothing, and neither does an agent that is ending.
      printed: processes.run(program, args, options).then(
        ({ reason, stdout }) => (reason === '' ? stdout : ''),
        () => '',
      ),
      latest: before,
    }
    void entry.printed.then((text) => {
      entry.latest = text
    })
    return entry
  }
  /** What it printed; after WAIT_SECONDS what it printed the last time. */
  return async (program: string, ...args: string[]): Promise<string> => {
    const key = [program, ...args].join(' ')
    let entry = known.get(key)
    if (!entry || clock.monotonicSeconds() - entry.at > PROGRAM_SECONDS) {
      entry = ask(program, args, entry?.latest ?? '')
      known.set(key, entry)
    }
    const timer = new AbortController()
    const pause = clock.sleep(WAIT_SECONDS, timer.signal).then(
      () => entry.latest,
      () => entry.latest,
    )
    return Promise.race([entry.printed, pause]).finally(() => timer.abort())
  }
}

const withDriver = (link: Interface, info: DriverInfo): Interface => ({
  ...link,
  driver: link.driver || info.driver,
  driverVersion: info.driverVersion,
  firmwareVersion: info.firmwareVersion,
  busInfo: info.busInfo || link.busInfo,
})

/** Says what the host is made of. Never reads an environment. */
export const createHostDescriber = (
  deps: Deps,
  programs: Readonly<Record<string, string>>,
): HostDescriber => {
  const { read } = deps
  const printed = createProgramCache(deps)
  let machine: Partial<NodeMetadata> | undefined
  return {
    metadata: async () => {
      machine ??= readMachine(read)
      const memory = read('/proc/meminfo') ?? ''
      const uptime = parseUptime(read('/proc/uptime') ?? '')
      const gpus = parseGpus(
        await printed(programs['nvidia-smi'] ?? 'nvidia-smi', '--query-gpu=name', '--format=csv,noheader'),
      )
      return NodeMetadata.fromPartial({
        ...machine,
        fqdn: fullName(os.hostname(), read('/etc/hosts') ?? '', read('/proc/sys/kernel/domainname') ?? ''),
        memoryBytes: parseMemory(memory, 'MemTotal') ?? 0,
        swapBytes: parseMemory(memory, 'SwapTotal') ?? 0,
        uptime: uptime === undefined ? undefined : toDuration(uptime),
        gpuModel: gpus.model,
        gpuCount: gpus.count,
      })
    },
    withDrivers: (interfaces) =>
      Promise.all(
        interfaces.map(async (link) => {
          // A name may begin with a dash, and would be an option.
          if (link.name.startsWith('-')) return link
          const text = await printed(programs.ethtool ?? 'ethtool', '-i', link.name)
          return text === '' ? link : withDriver(link, parseEthtool(text))
        }),
      ),
  }
}
