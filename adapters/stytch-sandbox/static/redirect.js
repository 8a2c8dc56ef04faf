location.replace(document.getElementById("continue").href);
