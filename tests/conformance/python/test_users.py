"""users: create, get, update, delete, delete email, delete external id"""

import uuid

from support import UNKNOWN_USER, UUID, address, by_both_clients, shifted, token


class Users:
    async def create(self, **fields):
        return self.ok(await self.client.users.create(**{"email": address(), **fields}))

    async def refuses(self, call, status, error_type, **fields):
        await self.refused(getattr(self.client.users, call)(**fields), status, error_type)


@by_both_clients
class Create(Users):
    async def test_a_user_has_every_field(self):
        email, external_id = address(), str(uuid.uuid4())
        trusted = {"team": "blue", "age": 7, "tags": ["a"], "nested": {"x": None}}
        answer = await self.create(
            email=email,
            name={"first_name": "Zoë", "last_name": "Ångström 🦀"},
            create_user_as_pending=True,
            trusted_metadata=trusted,
            untrusted_metadata={"shirt": "M"},
            external_id=external_id,
            roles=["editor"],
            attributes={"ip_address": "203.0.113.7"},
        )
        user = answer.user
        self.assertRegex(answer.user_id, f"^user-test-{UUID}$")
        self.assertEqual((answer.status, answer.phone_id), ("pending", ""))
        self.assertEqual((user.status, user.user_id), ("pending", answer.user_id))
        self.assertEqual((user.name.first_name, user.name.last_name), ("Zoë", "Ångström 🦀"))
        self.assertEqual(user.trusted_metadata, trusted)
        self.assertEqual(user.untrusted_metadata, {"shirt": "M"})
        self.assertEqual((user.external_id, user.roles), (external_id, ["stytch_user", "editor"]))
        self.assertEqual(user.created_at.microsecond, 0)
        self.assertEqual(user.created_at.utcoffset().total_seconds(), 0)
        (known,) = user.emails
        self.assertEqual((known.email, known.email_id), (email, answer.email_id))
        self.assertFalse(known.verified or user.is_locked)
        self.assertIsNone(user.password)

    async def test_a_user_is_active_by_default(self):
        self.assertEqual((await self.create()).status, "active")

    async def test_an_address_and_an_external_id_are_taken_once(self):
        email, external_id = address(), str(uuid.uuid4())
        await self.create(email=email, external_id=external_id)
        await self.refuses("create", 400, "duplicate_email", email=email)
        await self.refuses("create", 400, "duplicate_email", email=email.upper())
        again = {"email": address(), "external_id": external_id}
        await self.refuses("create", 400, "duplicate_user_external_id", **again)

    async def test_an_invalid_request_is_refused(self):
        for fields, error_type in (
            ({"email": None}, "invalid_create_user_request"),
            ({"email": "ada"}, "invalid_email"),
            ({"external_id": "a b"}, "invalid_external_id"),
            ({"external_id": "x" * 129}, "invalid_external_id"),
            ({"trusted_metadata": {"a": "x" * 4096}}, "metadata_too_large"),
            ({"untrusted_metadata": {f"k{n}": n for n in range(21)}}, "metadata_too_many_keys"),
            ({"untrusted_metadata": "blue"}, "metadata_invalid_format"),
        ):
            with self.subTest(fields):
                await self.refuses("create", 400, error_type, **{"email": address(), **fields})


@by_both_clients
class Get(Users):
    async def test_a_user_is_found_by_either_id(self):
        external_id = str(uuid.uuid4())
        made = await self.create(external_id=external_id)
        for user_id in (made.user_id, external_id):
            found = self.ok(await self.client.users.get(user_id=user_id)).model_dump()
            expected = made.user.model_dump()
            self.assertEqual({name: found[name] for name in expected}, expected)

    async def test_an_unknown_or_malformed_id_is_refused(self):
        await self.refuses("get", 404, "user_not_found", user_id=UNKNOWN_USER)
        await self.refuses("get", 400, "invalid_user_id", user_id="no one")


@by_both_clients
class Update(Users):
    async def test_an_update_changes_only_the_given_fields(self):
        made = await self.create(name={"first_name": "Ada", "last_name": "Lovelace"})
        by_id = {"user_id": made.user_id}
        external_id = str(uuid.uuid4())
        given = {"name": {"last_name": "Кинг 李"}, "external_id": external_id}
        answer = self.ok(await self.client.users.update(**by_id, **given))
        name = answer.user.name
        self.assertEqual((name.first_name, name.last_name), ("Ada", "Кинг 李"))
        self.assertEqual(answer.user.external_id, external_id)
        self.assertEqual((answer.user_id, answer.emails), (made.user_id, made.user.emails))
        self.assertEqual((answer.phone_numbers, answer.crypto_wallets), ([], []))
        for user_id in (made.user_id, external_id):
            same = self.ok(await self.client.users.update(user_id=user_id))
            self.assertEqual(same.user, answer.user)

    async def test_metadata_is_merged_at_the_top_level_and_null_deletes(self):
        for kind in ("trusted_metadata", "untrusted_metadata"):
            made = await self.create(**{kind: {"a": {"x": 1}, "b": 1, "c": 1}})
            given = {kind: {"a": {"y": 2}, "b": None}}
            answer = self.ok(await self.client.users.update(user_id=made.user_id, **given))
            self.assertEqual(getattr(answer.user, kind), {"a": {"y": 2}, "c": 1})

    async def test_roles_are_set(self):
        made = await self.create()
        roles = ["editor", "stytch_user"]
        answer = await self.client.users.update(user_id=made.user_id, roles=roles)
        self.assertCountEqual(answer.user.roles, roles)

    async def test_an_invalid_update_is_refused_and_changes_nothing(self):
        external_id = str(uuid.uuid4())
        await self.create(external_id=external_id)
        made = await self.create(name={"first_name": "Ada"})
        for fields, error_type in (
            ({"external_id": external_id}, "duplicate_user_external_id"),
            ({"external_id": "ä"}, "invalid_external_id"),
            ({"trusted_metadata": {f"k{n}": n for n in range(21)}}, "metadata_too_many_keys"),
            ({"untrusted_metadata": {"a": "x" * 4096}}, "metadata_too_large"),
        ):
            with self.subTest(error_type):
                wrong = {"user_id": made.user_id, "name": {"first_name": "Eve"}, **fields}
                await self.refuses("update", 400, error_type, **wrong)
        found = await self.client.users.get(user_id=made.user_id)
        self.assertEqual(found.name.first_name, "Ada")

    async def test_an_unknown_user_is_refused(self):
        await self.refuses("update", 404, "user_not_found", user_id=UNKNOWN_USER)


@by_both_clients
class Delete(Users):
    async def test_deleting_ends_sessions_and_links_and_frees_the_address(self):
        known = await self.entered()
        email = known.user.emails[0].email
        with shifted(2):
            await self.links.send(email=email)
        link = token(email)
        by_id = {"user_id": known.user_id}
        self.assertEqual(self.ok(await self.client.users.delete(**by_id)).user_id, known.user_id)
        await self.refuses("delete", 404, "user_not_found", **by_id)
        await self.refuses("get", 404, "user_not_found", **by_id)
        await self.refused(self.client.sessions.get(**by_id), 404, "user_not_found")
        call = self.client.sessions.authenticate(session_token=known.session_token)
        await self.refused(call, 404, "session_not_found")
        call = self.client.magic_links.authenticate(token=link)
        await self.refused(call, 404, "magic_link_not_found")
        self.assertNotEqual((await self.create(email=email)).user_id, known.user_id)

    async def test_a_user_is_deleted_by_external_id_which_is_free_again(self):
        external_id = str(uuid.uuid4())
        made = await self.create(external_id=external_id)
        answer = self.ok(await self.client.users.delete(user_id=external_id))
        self.assertEqual(answer.user_id, made.user_id)
        await self.create(external_id=external_id)

    async def test_a_malformed_id_is_refused(self):
        await self.refuses("delete", 400, "invalid_user_id", user_id="no one")


@by_both_clients
class DeleteEmail(Users):
    async def test_one_of_two_addresses_is_deleted(self):
        known = await self.entered()
        first, email = {"email_id": known.method_id}, address()
        await self.links.send(email=email, user_id=known.user_id)
        second = await self.client.magic_links.authenticate(token=token(email))
        answer = self.ok(await self.client.users.delete_email(**first))
        self.assertEqual(answer.user_id, known.user_id)
        self.assertEqual([left.email for left in answer.user.emails], [email])
        await self.refuses("delete_email", 404, "email_not_found", **first)
        last = {"email_id": second.method_id}
        await self.refuses("delete_email", 400, "cannot_delete_last_primary_factor", **last)

    async def test_links_to_a_deleted_address_end(self):
        known = await self.entered()
        email = address()
        sent = await self.links.send(email=email, user_id=known.user_id)
        self.ok(await self.client.users.delete_email(email_id=sent.email_id))
        call = self.client.magic_links.authenticate(token=token(email))
        await self.refused(call, 404, "magic_link_not_found")
        await self.create(email=email)


@by_both_clients
class DeleteExternalId(Users):
    async def test_a_deleted_external_id_is_free_again(self):
        external_id = str(uuid.uuid4())
        made = await self.create(external_id=external_id)
        answer = self.ok(await self.client.users.delete_external_id(user_id=external_id))
        self.assertEqual((answer.user_id, answer.user.external_id), (made.user_id, None))
        await self.refuses("get", 404, "user_not_found", user_id=external_id)
        self.ok(await self.client.users.delete_external_id(user_id=made.user_id))
        await self.create(external_id=external_id)

    async def test_an_unknown_user_is_refused(self):
        await self.refuses("delete_external_id", 404, "user_not_found", user_id=UNKNOWN_USER)
