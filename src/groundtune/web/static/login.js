// The login page.

import { call } from "./api.js";
import { destination, onSubmit } from "./account_forms.js";
import { byId } from "./dom.js";

onSubmit(byId("login"), byId("message"), async () => {
  try {
    await call("/api/login", { name: byId("name").value, password: byId("password").value });
  } catch (trouble) {
    byId("password").value = "";
    byId("password").focus();
    throw trouble;
  }
  location.replace(destination());
});
byId("name").focus();
