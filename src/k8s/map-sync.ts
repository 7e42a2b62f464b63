import type { LbMaps } from '../lb/maps.ts';
import type { ChangeReport } from './change-report.ts';
import { type FaultSource, MapWriteError, type MapWriter } from './map-writer.ts';
import { compareBytes, type Frontend, type ServiceEntry } from './model.ts';
import type { LocalNode } from './node-view.ts';
import type { ControlPlaneOptions } from './options.ts';
import { isWildcard, Reconciler } from './reconciler.ts';
import { rowOf } from './redirect-plan.ts';
import { selectInstances } from './select.ts';
import type { Tables } from './tables.ts';

export type MapChanges = Pick<ChangeReport, 'updated' | 'removed' | 'failed' | 'mapWrites'>;

/** Keeps the maps in line with the tables: what changed is selected anew and reconciled, what a map refused is tried again. */
export class MapSync {
  readonly #tables: Tables;
  readonly #node: LocalNode;
  readonly #options: ControlPlaneOptions;
  readonly #newReconciler: () => Reconciler;
  #reconciler: Reconciler;
  #failed = new Set<Frontend>();
  /** Number of the settlement in hand, and the frontends that it has written and removed so far. */
  #settlement = 0;
  #written: Frontend[] = [];
  #removed: Frontend[] = [];

  constructor(
    tables: Tables,
    node: LocalNode,
    options: ControlPlaneOptions,
    maps: LbMaps,
    fault: FaultSource | undefined,
  ) {
    this.#tables = tables;
    this.#node = node;
    this.#options = options;
    this.#newReconciler = () => new Reconciler(maps, options, fault, (backend) => tables.dropBackend(backend));
    this.#reconciler = this.#newReconciler();
  }

  get reconciler(): Reconciler {
    return this.#reconciler;
  }

  /**
   * Writes what changed, lets the controllers that watch the tables react to the services concerned, and so on until all is quiet;
   * `finish` writes what does not belong to a frontend.
   */
  settle(react: (services: Iterable<ServiceEntry>) => void, finish: (writer: MapWriter) => void): MapChanges {
    const { writer } = this.#reconciler;
    const before = writer.writes;
    this.#settlement++;
    const retries = this.#failed;
    this.#failed = new Set();
    for (const frontend of retries) if (this.#tables.isCurrent(frontend)) this.#reconcile(frontend);
    do {
      const services: ServiceEntry[] = [];
      for (const frontend of this.#tables.takeDirty()) {
        if (services.at(-1) !== frontend.entry) services.push(frontend.entry);
        this.#reconcile(frontend);
      }
      react(services);
    } while (this.#tables.dirtyCount > 0);
    this.attempt(() => finish(writer));
    const [written, gone] = [this.#written, this.#removed];
    this.#written = [];
    this.#removed = [];
    return {
      updated: written.filter((one) => this.#tables.frontend(one) === one).map(({ key }) => key),
      removed: [...new Set(gone.filter((one) => !this.#isBack(one)).map(({ key }) => key))],
      failed: [...this.#failed].map(({ key }) => key),
      mapWrites: writer.writes - before,
    };
  }

  /** Starts over on the maps as they are. */
  restart(): void {
    this.#tables.resetBackends();
    this.#reconciler = this.#newReconciler();
    this.#reconciler.restore();
    this.#reconciler.setNodeAddresses(this.#node.nodePortAddresses);
    this.#failed = new Set();
    for (const frontend of this.#tables.frontends()) this.#tables.touch(frontend);
  }

  /** Zone and addresses of the node act at once; other labels with the next event of a Service. */
  changeNode(change: () => void): void {
    const { zone } = this.#node;
    const before = this.#reconciler.nodeAddresses;
    change();
    if (this.#node.zone !== zone) {
      this.#touch((frontend) => frontend.entry.service?.marks.preferClose === true);
    }
    const after = this.#node.nodePortAddresses;
    if (before.length === after.length && before.every((one, i) => compareBytes(one, after[i]!) === 0)) return;
    this.#reconciler.setNodeAddresses(after);
    this.#touch(isWildcard);
  }

  #touch(concerns: (frontend: Frontend) => boolean): void {
    for (const frontend of this.#tables.frontends()) if (concerns(frontend)) this.#tables.touch(frontend);
  }

  #reconcile(frontend: Frontend): void {
    this.#failed.delete(frontend);
    try {
      if (frontend.deleted) {
        this.#reconciler.remove(frontend);
        this.#tables.forget(frontend);
        this.#removed.push(frontend);
        return;
      }
      frontend.backends = selectInstances(frontend, this.#node, this.#options);
      this.#reconciler.update(frontend, rowOf(frontend, this.#options)!, frontend.backends);
      frontend.status = 'Done';
      frontend.error = '';
      if (frontend.settled !== this.#settlement) this.#written.push(frontend);
      frontend.settled = this.#settlement;
    } catch (error) {
      if (!(error instanceof MapWriteError)) throw error;
      frontend.status = 'Error';
      frontend.error = error.message;
      this.#failed.add(frontend);
    }
  }

  /** Whether the address of a removed row has been written again for another one. */
  #isBack(row: Frontend): boolean {
    return this.#tables.frontend(row)?.settled === this.#settlement;
  }

  /** Map writes that may be refused and are made again another time. */
  attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof MapWriteError)) throw error;
    }
  }
}
