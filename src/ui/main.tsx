import { render } from 'preact';
import { createEngine, deleteStoredModel, listStoredModels, planModel } from '../engine/index.ts';
import { App } from './app.tsx';
import { AppContext, createAppState } from './state/app-state.ts';
import { defaultChoice } from './state/model-choice.ts';
import { readPageConfig } from './state/page-config.ts';
import { installTrustedTypes } from './trusted-types.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/layout.css';
import './styles/conversation.css';
import './styles/markdown.css';
import './styles/dialogs.css';
import './styles/lookup.css';
import './styles/learning.css';

installTrustedTypes();
const config = await readPageConfig(document.baseURI);
const app = createAppState(
  { createEngine, planModel },
  { list: () => listStoredModels(), remove: (id) => deleteStoredModel(id) },
  config,
);
const root = document.getElementById('app');
if (!root) throw new Error('Internal error: index.html has no element "app".');

render(
  <AppContext.Provider value={app}>
    <App />
  </AppContext.Provider>,
  root,
);

const choice = defaultChoice(config);
if (choice && config.autoLoad && !isSavingData()) void app.model.load(choice);

/** The reader asked for few downloads: then a button starts this one. */
function isSavingData(): boolean {
  return (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true;
}
