import { Cluster, type ClusterOptions, type SendSpec } from '../cluster/index.ts';
import { LbtwinError } from '../errors.ts';
import type { RawObject } from '../k8s/raw.ts';
import { differences, type Expected, fieldsOf, SEND_FIELDS, checkFields } from '../scenario/expect.ts';

/** What a flow is expected to come to: the fields of docs/scenario.md. */
export type FlowExpectation = Readonly<Record<string, Expected>>;

/** A cluster for tests of any framework: what is not as expected is thrown, with every difference in the message. */
export interface ScenarioCluster {
  readonly cluster: Cluster;
  /** Sends a packet and compares what becomes of it. @throws Error with the differences; LbtwinError for what cannot be sent */
  expectFlow(spec: SendSpec, expected: FlowExpectation): Promise<void>;
  /** Adds or replaces objects. */
  apply(objects: Iterable<RawObject>): void;
  /** Lets time pass, in seconds. */
  advance(seconds: number): void;
}

/**
 * A scenario in code, for vitest, `node:test` or any other framework:
 * `const shop = scenario(objects, { config }); await shop.expectFlow({ from, to }, { outcome: 'replied', sourceSeen: '…' })`.
 */
export function scenario(objects: Iterable<RawObject>, options: ClusterOptions = {}): ScenarioCluster {
  const cluster = Cluster.fromKubernetes(objects, options);
  return {
    cluster,
    expectFlow: (spec, expected) =>
      new Promise((resolve) => {
        checkFields(expected, SEND_FIELDS, []);
        const journey = cluster.send(spec);
        const wrong = differences(expected, fieldsOf(journey));
        if (wrong.length === 0) return resolve();
        const lines = wrong.map(
          ({ field, expected: wanted, actual }) => `  ${field}: expected ${show(wanted)}, got ${show(actual)}`,
        );
        throw new LbtwinError(
          'unexpected-outcome',
          `${spec.from} -> ${spec.to} is not as expected\n${lines.join('\n')}`,
        );
      }),
    apply: (more) => cluster.apply(more),
    advance: (seconds) => cluster.advance(seconds),
  };
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
