import type { PlacementChoice } from '../converge/deps.ts'
import { ConfigError } from '../errors.ts'
import { DEFAULT_VOLUME } from '../model/paths.ts'
import type { Placement, PlacementMode } from '../storage/placement.ts'
import { placementChoice, type RuleText } from '../storage/rules.ts'

/** Chooses placements by the configured rules, out of those that this daemon has. */
export class Placements implements PlacementChoice {
  readonly needsTags: boolean
  readonly #byMode: ReadonlyMap<string, Placement>
  readonly #chosen: ReadonlySet<string>
  readonly #rule: ReturnType<typeof placementChoice>
  readonly #volumes: Readonly<Record<string, string>>

  constructor(options: {
    readonly rules: readonly RuleText[]
    readonly placements: readonly Placement[]
    /** prod's volume name to staging's; others keep their name */
    readonly volumes: Readonly<Record<string, string>>
  }) {
    this.#byMode = new Map(options.placements.map((placement) => [placement.mode, placement]))
    this.#rule = placementChoice(options.rules)
    this.#chosen = new Set(options.rules.map(({ mode }) => mode))
    this.#volumes = options.volumes
    this.needsTags = options.rules.some((rule) => rule.tags !== null)
  }

  async probe(): Promise<void> {
    // One that no rule chooses only takes files away: that it could bring none is nobody's outage.
    for (const placement of this.#byMode.values())
      if (this.#chosen.has(placement.mode)) await placement.probe()
  }

  /** Throws OutageError('space') while one that takes room has none. */
  async probeRoom(): Promise<void> {
    for (const placement of this.#byMode.values())
      if (this.#chosen.has(placement.mode)) await placement.probeRoom?.()
  }

  byMode(mode: string): Placement {
    const found = this.#byMode.get(mode)
    if (found !== undefined) return found
    throw new ConfigError(
      'PLACEMENT_UNKNOWN',
      `placement ${mode} is not set up; see [prod] topdir and [[placement]]`,
    )
  }

  choose(build: { name: string; btypes: readonly string[]; tags: readonly string[] }): Placement {
    const mode: PlacementMode | null = this.#rule({
      package: build.name,
      btypes: build.btypes,
      tags: build.tags,
    })
    return this.byMode(mode ?? 'volume')
  }

  stagingVolume({ mode }: Pick<Placement, 'mode'>, prodVolume: string): string {
    return stagingVolumeOf(mode, prodVolume, this.#volumes)
  }
}

/**
 * Each mode has volumes of its own, so that a build whose mode changes moves as one does whose volume changes: nothing has to become
 * a directory where a link stood. A snapshot of prod's tree has prod's volumes. `volumes`: prod's volume name to staging's.
 */
function stagingVolumeOf(
  mode: PlacementMode,
  prodVolume: string,
  volumes: Readonly<Record<string, string>>,
): string {
  if (mode === 'in-place') return prodVolume
  const mapped = Object.hasOwn(volumes, prodVolume) ? (volumes[prodVolume] as string) : prodVolume
  return mode === 'volume' || mapped === DEFAULT_VOLUME ? mapped : `${mapped}-${mode}`
}

/** Staging's volumes of a placement with files of its own, of those that the configuration names; not the default one. */
export function volumesOf(mode: PlacementMode, volumes: Readonly<Record<string, string>>): string[] {
  const names = ['DEFAULT', ...Object.keys(volumes)].map((name) => stagingVolumeOf(mode, name, volumes))
  return [...new Set(names)].filter((name) => name !== DEFAULT_VOLUME)
}

/** Staging's volumes that hold links into prod, of those that the configuration names. */
export function linkedVolumes(
  rules: readonly RuleText[],
  volumes: Readonly<Record<string, string>>,
): string[] {
  const modes = [...new Set(rules.map(({ mode }) => mode))].filter(
    (mode) => mode === 'volume' || mode === 'farm',
  )
  return [
    ...new Set(
      Object.keys(volumes).flatMap((name) => modes.map((mode) => stagingVolumeOf(mode, name, volumes))),
    ),
  ]
}
