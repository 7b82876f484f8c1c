// What an operator of the framework @dot-i/k8s-operator does, which stands on Node's Kubernetes
// client: each Sheet is held by a finalizer, has a ConfigMap of its own, and says in its status
// which of its generations that has.
'use strict';

const { default: Operator } = require('@dot-i/k8s-operator');
const k8s = require('@kubernetes/client-node');

const GROUP = 'example.test';
const FINALIZER = 'sheets.example.test/operator';

class Sheets extends Operator {
  async init() {
    this.core = this.kubeConfig.makeApiClient(k8s.CoreV1Api);
    await this.watchResource(GROUP, 'v1', 'sheets', (event) => this.reconcile(event));
  }

  async reconcile(event) {
    const { metadata, spec } = event.object;
    if (await this.handleResourceFinalizer(event, FINALIZER, () => this.remove(metadata))) {
      return;
    }
    if (event.type === 'DELETED' || event.object.status?.observed === metadata.generation) {
      return;
    }
    await this.write(metadata, { text: spec.text });
    await this.patchResourceStatus(event.meta, { observed: metadata.generation });
  }

  async write({ name, namespace }, data) {
    const map = { metadata: { name, namespace, labels: { sheet: 'yes' } }, data };
    try {
      await this.core.createNamespacedConfigMap(namespace, map);
    } catch (error) {
      if (error.statusCode !== 409) throw error;
      await this.core.replaceNamespacedConfigMap(name, namespace, map);
    }
  }

  async remove({ name, namespace }) {
    try {
      await this.core.deleteNamespacedConfigMap(name, namespace);
    } catch (error) {
      if (error.statusCode !== 404) throw error;
    }
  }
}

const log = (level) => (message) => console.log(level, message);
const logger = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((l) => [l, log(l)]));
// What is not caught ends it: whoever runs it starts it again, as a kubelet does.
new Sheets(logger).start();
