"""users.exchange_primary_factor"""

from support import UNKNOWN_USER, address, by_both_clients


@by_both_clients
class ExchangePrimaryFactor:
    async def exchange(self, **fields):
        return await self.client.users.exchange_primary_factor(**fields)

    async def test_an_exchanged_address_is_free_again(self):
        email, other = address(), address()
        made = await self.client.users.create(email=email)
        answer = self.ok(await self.exchange(user_id=made.user_id, email_address=other))
        self.assertEqual((answer.user_id, answer.user.user_id), (made.user_id, made.user_id))
        (known,) = answer.user.emails
        self.assertEqual(known.email, other)
        self.assertNotEqual(known.email_id, made.email_id)
        found = self.ok(await self.client.users.get(user_id=made.user_id))
        self.assertEqual(found.emails, answer.user.emails)
        again = self.ok(await self.client.users.create(email=email))
        self.assertNotEqual(again.user_id, made.user_id)
        self.ok(await self.links.send(email=other))

    async def test_a_user_with_two_addresses_is_refused(self):
        known = await self.entered()
        await self.links.send(email=address(), user_id=known.user_id)
        call = self.exchange(user_id=known.user_id, email_address=address())
        await self.refused(call, 400, "invalid_exchange_primary_factor_user")

    async def test_missing_and_ambiguous_values_are_refused(self):
        made = await self.client.users.create(email=address())
        both = {"email_address": address(), "phone_number": "+12025550162"}
        for given in ({}, both):
            with self.subTest(given):
                call = self.exchange(user_id=made.user_id, **given)
                await self.refused(call, 400, "invalid_exchange_primary_factor_fields")

    async def test_a_taken_or_invalid_address_is_refused(self):
        one = await self.client.users.create(email=address())
        other = await self.client.users.create(email=address())
        for email, error_type in (
            (other.user.emails[0].email, "duplicate_email"), ("ada", "invalid_email")
        ):
            call = self.exchange(user_id=one.user_id, email_address=email)
            await self.refused(call, 400, error_type)
        found = await self.client.users.get(user_id=one.user_id)
        self.assertEqual(found.emails, one.user.emails)

    async def test_an_unknown_user_and_invalid_credentials_are_refused(self):
        given = {"user_id": UNKNOWN_USER, "email_address": address()}
        await self.refused(self.exchange(**given), 404, "user_not_found")
        wrong_secret = self.client_of(secret="secret-test-of-somebody-else=")
        call = wrong_secret.users.exchange_primary_factor(**given)
        await self.refused(call, 401, "unauthorized_credentials")
