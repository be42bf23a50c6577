import type { ProdWorld } from '../sim/prod-world.ts'

export interface SeenBuild {
  readonly id: number
  readonly name: string
  readonly nvr: string
  readonly state: number
  readonly draft: boolean
}

/** What a Koji holds now, for actions to pick from, in an order that does not depend on the database. */
export class KojiView {
  readonly #world: ProdWorld
  constructor(world: ProdWorld) {
    this.#world = world
  }

  async tags(like = '%'): Promise<string[]> {
    return this.#names(
      `select t.name from tag t join tag_config c on c.tag_id = t.id and c.active where t.name like $1 order by t.id`,
      like,
    )
  }

  deletedTags(): Promise<string[]> {
    return this.#names(
      `select name from tag t where not exists (select 1 from tag_config c where c.tag_id = t.id and c.active) order by id`,
    )
  }

  users(): Promise<string[]> {
    return this.#names(`select name from users where name like 'user%' order by id`)
  }

  targets(): Promise<string[]> {
    return this.#names(
      `select t.name from build_target t join build_target_config c on c.build_target_id = t.id and c.active order by t.id`,
    )
  }

  repos(): Promise<string[]> {
    return this.#names(
      `select r.name from external_repo r join external_repo_config c on c.external_repo_id = r.id and c.active
        where r.name <> 'INTERNAL' order by r.id`,
    )
  }

  async builds(where = 'true'): Promise<SeenBuild[]> {
    return (await this.#world.rows(
      `select b.id, p.name, p.name || '-' || b.version || '-' || b.release as nvr, b.state, b.draft
         from build b join package p on p.id = b.pkg_id where ${where} order by b.id`,
    )) as unknown as SeenBuild[]
  }

  complete(): Promise<SeenBuild[]> {
    return this.builds('b.state = 1')
  }

  /** In force. */
  async taggings(where = 'true'): Promise<{ tag: string; tagId: number; build: number; nvr: string }[]> {
    return (await this.#world.rows(
      `select t.name as tag, t.id as "tagId", b.id as build, p.name || '-' || b.version || '-' || b.release as nvr
         from tag_listing l join tag t on t.id = l.tag_id join build b on b.id = l.build_id join package p on p.id = b.pkg_id
        where l.active and ${where} order by l.create_event, t.id, b.id`,
    )) as unknown as { tag: string; tagId: number; build: number; nvr: string }[]
  }

  async entries(): Promise<{ tag: string; name: string; blocked: boolean }[]> {
    return (await this.#world.rows(
      `select t.name as tag, p.name, l.blocked from tag_packages l join tag t on t.id = l.tag_id
         join package p on p.id = l.package_id where l.active order by t.id, p.id`,
    )) as unknown as { tag: string; name: string; blocked: boolean }[]
  }

  async extras(): Promise<{ tag: string; key: string }[]> {
    return (await this.#world.rows(
      `select t.name as tag, x.key from tag_extra x join tag t on t.id = x.tag_id where x.active order by t.id, x.key`,
    )) as unknown as { tag: string; key: string }[]
  }

  async groups(): Promise<{ tag: string; group: string }[]> {
    return (await this.#world.rows(
      `select t.name as tag, g.name as group from group_config x join tag t on t.id = x.tag_id join groups g on g.id = x.group_id
        where x.active order by t.id, g.id`,
    )) as unknown as { tag: string; group: string }[]
  }

  /** Of complete builds. */
  async rpms(where = 'true'): Promise<{ id: number; keys: string[] }[]> {
    return (await this.#world.rows(
      `select r.id, array(select sigkey from rpmsigs s where s.rpm_id = r.id and sigkey <> '' order by 1) as keys
         from rpminfo r join build b on b.id = r.build_id where b.state = 1 and ${where} order by r.id`,
    )) as unknown as { id: number; keys: string[] }[]
  }

  async archives(): Promise<number[]> {
    const rows = await this.#world.rows(
      'select a.id from archiveinfo a join build b on b.id = a.build_id where b.state = 1 order by a.id',
    )
    return rows.map(({ id }) => Number(id))
  }

  async #names(sql: string, ...values: unknown[]): Promise<string[]> {
    return (await this.#world.rows(sql, values)).map(({ name }) => String(name))
  }
}
